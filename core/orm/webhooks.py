"""Where events are told, and how that went."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    func,
)
from sqlalchemy.orm import Mapped, mapped_column

from core.orm.base import Base, now, one_of
from core.states import (
    DeliveryState,
)


class Webhook(Base):
    """Where a key's events are told: all of them where `events` is empty.

    For a while after a rotation `old_secret` signs as well. A row outlives its deletion: a job that settles in the
    same moment may still refer to it.
    """

    __tablename__ = "webhooks"
    __table_args__ = (Index("ix_webhooks_key_id", "key_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.uuidv7())
    key_id: Mapped[UUID] = mapped_column(ForeignKey("api_keys.id"))
    url: Mapped[str]
    events: Mapped[list[str]]
    secret: Mapped[str]
    old_secret: Mapped[str | None]
    old_secret_until: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=now())
    disabled_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]


class Delivery(Base):
    """An event that is to be told at an address: `webhook_id` where it is registered, the job's own otherwise.

    `tries` is the fencing token of a try; while one is under way `due_at` is when it counts as lost. What was
    asked for `by_hand` is told also where its webhook is disabled.
    """

    __tablename__ = "deliveries"
    __table_args__ = (
        CheckConstraint(one_of("state", DeliveryState), name="state"),
        Index("ix_deliveries_due", "due_at", postgresql_where=f"state = '{DeliveryState.PENDING}'"),
        Index("ix_deliveries_of_key", "key_id", "id"),
        Index("ix_deliveries_job_id", "job_id", postgresql_where="job_id IS NOT NULL"),
        Index("ix_deliveries_of_webhook", "webhook_id", "id", postgresql_where="webhook_id IS NOT NULL"),
        Index("ix_deliveries_batch_id", "batch_id", postgresql_where="batch_id IS NOT NULL"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.uuidv7())
    key_id: Mapped[UUID] = mapped_column(ForeignKey("api_keys.id"))
    webhook_id: Mapped[UUID | None] = mapped_column(ForeignKey("webhooks.id"))
    url: Mapped[str]
    event: Mapped[str]
    job_id: Mapped[UUID | None] = mapped_column(ForeignKey("jobs.id"))
    batch_id: Mapped[str | None] = mapped_column(ForeignKey("batches.id"))
    by_hand: Mapped[bool] = mapped_column(server_default="false")
    state: Mapped[DeliveryState] = mapped_column(server_default=DeliveryState.PENDING)
    tries: Mapped[int] = mapped_column(server_default="0")
    due_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    ended_at: Mapped[datetime | None]


class DeliveryTry(Base):
    """Append-only: one try at a delivery, and what was answered: a status, or why there was none."""

    __tablename__ = "delivery_tries"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    delivery_id: Mapped[UUID] = mapped_column(ForeignKey("deliveries.id"), index=True)
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    seconds: Mapped[float]
    status: Mapped[int | None]
    fault: Mapped[str | None]
