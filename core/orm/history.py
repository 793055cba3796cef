"""What happened, added up: for charts, tables of money and metrics, at any number of jobs."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Identity, Index, func
from sqlalchemy.orm import Mapped, mapped_column

from core.errors import FailureKind
from core.orm.base import Base, one_of
from core.states import CallOutcome, Grain, Lane, ProviderEventKind


class History(Base):
    """What came of the jobs of a key for a model, in a minute, an hour, a day, and ever.

    `started` counts first attempts, `handed_over` those that a worker left to another one; `refused` those of
    `failed` whose prompt was refused. The arrays count, by the buckets of core/history, how long jobs waited for
    their first attempt, how long providers took, how long storing took, and how long jobs took in all; beside each
    is the sum of its seconds. Rows whose `key_id` is all zeros are of all keys together: what does not ask for
    keys costs the same whatever their number.
    """

    __tablename__ = "history"
    __table_args__ = (CheckConstraint(one_of("grain", Grain), name="grain"),)

    grain: Mapped[Grain] = mapped_column(primary_key=True)
    key_id: Mapped[UUID] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(primary_key=True)
    provider: Mapped[str] = mapped_column(primary_key=True)
    model: Mapped[str] = mapped_column(primary_key=True)
    lane: Mapped[Lane] = mapped_column(primary_key=True)
    recorded: Mapped[int] = mapped_column(server_default="0")
    started: Mapped[int] = mapped_column(server_default="0")
    retried: Mapped[int] = mapped_column(server_default="0")
    rescued: Mapped[int] = mapped_column(server_default="0")
    handed_over: Mapped[int] = mapped_column(server_default="0")
    completed: Mapped[int] = mapped_column(server_default="0")
    failed: Mapped[int] = mapped_column(server_default="0")
    refused: Mapped[int] = mapped_column(server_default="0")
    cancelled: Mapped[int] = mapped_column(server_default="0")
    pictures: Mapped[int] = mapped_column(server_default="0")
    charged: Mapped[Decimal] = mapped_column(server_default="0")
    waits: Mapped[list[int]] = mapped_column(server_default="{}")
    renders: Mapped[list[int]] = mapped_column(server_default="{}")
    stores: Mapped[list[int]] = mapped_column(server_default="{}")
    totals: Mapped[list[int]] = mapped_column(server_default="{}")
    wait_seconds: Mapped[float] = mapped_column(server_default="0")
    render_seconds: Mapped[float] = mapped_column(server_default="0")
    store_seconds: Mapped[float] = mapped_column(server_default="0")
    total_seconds: Mapped[float] = mapped_column(server_default="0")


class FailureCount(Base):
    """How many jobs failed of one kind of failure, in a span, and ever; `job_id` is the last of them."""

    __tablename__ = "failure_counts"
    __table_args__ = (
        CheckConstraint(one_of("grain", Grain), name="grain"),
        CheckConstraint(one_of("kind", FailureKind), name="kind"),
    )

    grain: Mapped[Grain] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(primary_key=True)
    provider: Mapped[str] = mapped_column(primary_key=True)
    model: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[FailureKind] = mapped_column(primary_key=True)
    jobs: Mapped[int]
    job_id: Mapped[UUID]


class CallCount(Base):
    """What became of provider calls, counted when their jobs settle: in a span, and ever."""

    __tablename__ = "call_counts"
    __table_args__ = (
        CheckConstraint(one_of("grain", Grain), name="grain"),
        CheckConstraint(one_of("outcome", CallOutcome), name="outcome"),
    )

    grain: Mapped[Grain] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(primary_key=True)
    provider: Mapped[str] = mapped_column(primary_key=True)
    model: Mapped[str] = mapped_column(primary_key=True)
    outcome: Mapped[CallOutcome] = mapped_column(primary_key=True)
    calls: Mapped[int]


class Watermark(Base):
    """Up to where a duty has read a table: the last id that it has done."""

    __tablename__ = "watermarks"

    name: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(BigInteger, server_default="0")


class ProviderEvent(Base):
    """Append-only: what happened to a provider as a whole, by its own doing; what operators do is audited."""

    __tablename__ = "provider_events"
    __table_args__ = (
        CheckConstraint(one_of("event", ProviderEventKind), name="event"),
        Index("ix_provider_events_provider", "provider", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    provider: Mapped[str]
    event: Mapped[ProviderEventKind]
    detail: Mapped[dict[str, Any] | None]
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
