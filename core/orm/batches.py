"""Files, and batches of jobs."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from core.orm.base import Base, one_of
from core.states import (
    BatchStatus,
)


class File(Base):
    """A caller's file in the store: what a batch is to be made of, or what came of one."""

    __tablename__ = "files"
    __table_args__ = (
        Index("ix_files_of_key", "key_id", "created_at", "id"),
        Index("ix_files_unswept", "expires_at", postgresql_where="swept_at IS NULL"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    key_id: Mapped[UUID] = mapped_column(ForeignKey("api_keys.id"))
    purpose: Mapped[str]
    filename: Mapped[str]
    bytes: Mapped[int] = mapped_column(BigInteger)
    object_key: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    expires_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]
    swept_at: Mapped[datetime | None]


class Batch(Base):
    """A file of requests, each line of it a job.

    `read_lines` and `read_bytes` are how far into the file its jobs are on the ledger. `total`, `completed`,
    `failed` and `cancelled` count lines; expired ones are among the cancelled. `errors` is why the file was
    refused, or could not be read on. In dollars: `price`, reserved for all lines, and `charged`, what those that
    ended came to. `expected_at` is when it was first expected to end. `output_seconds` is how long its results and
    pictures are kept. A batch that retries another is made of the lines that failed there.
    """

    __tablename__ = "batches"
    __table_args__ = (
        CheckConstraint(one_of("status", BatchStatus), name="status"),
        CheckConstraint("completed + failed + cancelled <= total", name="counts_within_total"),
        Index("ix_batches_of_key", "key_id", "created_at", "id"),
        Index("ix_batches_created_at", "created_at"),
        Index("ix_batches_at_work", "status", postgresql_where="ended_at IS NULL"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    key_id: Mapped[UUID] = mapped_column(ForeignKey("api_keys.id"))
    status: Mapped[BatchStatus] = mapped_column(server_default=BatchStatus.VALIDATING)
    endpoint: Mapped[str]
    completion_window: Mapped[str]
    input_file_id: Mapped[str]
    output_file_id: Mapped[str | None]
    error_file_id: Mapped[str | None]
    retry_of: Mapped[str | None] = mapped_column(ForeignKey("batches.id"))
    request_id: Mapped[str]
    metadata_: Mapped[dict[str, Any] | None] = mapped_column("metadata")  # SQLAlchemy has the plain name
    errors: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONB)
    paused: Mapped[bool] = mapped_column(server_default="false")
    output_seconds: Mapped[int]
    price: Mapped[Decimal] = mapped_column(server_default="0")
    charged: Mapped[Decimal] = mapped_column(server_default="0")
    read_lines: Mapped[int] = mapped_column(server_default="0")
    read_bytes: Mapped[int] = mapped_column(BigInteger, server_default="0")
    total: Mapped[int] = mapped_column(server_default="0")
    completed: Mapped[int] = mapped_column(server_default="0")
    failed: Mapped[int] = mapped_column(server_default="0")
    cancelled: Mapped[int] = mapped_column(server_default="0")
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    expires_at: Mapped[datetime]
    in_progress_at: Mapped[datetime | None]
    finalizing_at: Mapped[datetime | None]
    expected_at: Mapped[datetime | None]
    cancelling_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
