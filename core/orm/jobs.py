"""Jobs, what happened to them, what was asked of providers for them, and their pictures."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Identity,
    Index,
    func,
    literal_column,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from core.offers import RATE
from core.orm.base import Base, now, one_of
from core.states import (
    SETTLED,
    CallOutcome,
    Door,
    Event,
    JobState,
    Lane,
)


class Provider(Base):
    """How much of a provider's work may go on at once.

    `slots` is the number of provider calls; none of its jobs start before `paused_until`, nor before `open_until`,
    after which a single one tries whether it is back. `failures` counts calls that failed in a row. While it is
    `draining` it starts nothing either, and what waits goes to its stand-ins. `rate` takes the place of the
    catalog's, such as "60/minute".
    """

    __tablename__ = "providers"
    __table_args__ = (
        CheckConstraint("slots >= 0", name="slots_not_negative"),
        CheckConstraint(f"rate ~ '{RATE}'", name="rate"),
    )

    name: Mapped[str] = mapped_column(primary_key=True)
    slots: Mapped[int]
    paused_until: Mapped[datetime | None]
    failures: Mapped[int] = mapped_column(server_default="0")
    open_until: Mapped[datetime | None]
    draining: Mapped[bool] = mapped_column(server_default="false")
    rate: Mapped[str | None]


class Job(Base):
    """One accepted request.

    `attempt` is the fencing token, `failures` counts the attempts that were used up. `slots` is how many provider
    calls it would make at once, `granted` how many of them it may, since it was last admitted; of a cancelled job,
    how many its worker is yet to see the end of. Of a key's own jobs those of higher `priority` go first; one that
    is `held` waits until it is let go. `line` is its line in the file of its batch, from 1. In dollars:
    `unit_price` for one picture, `price` for all of them, reserved when the job came in, and `charged` what it
    came to. `received` is the body as the caller sent it, without the prompt; `delivered_at` when the answer of a
    call that waited had left; `retry_of` the job that an operator had made again.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        CheckConstraint(one_of("state", JobState), name="state"),
        CheckConstraint(one_of("door", Door), name="door"),
        CheckConstraint(one_of("lane", Lane), name="lane"),
        CheckConstraint(f"({one_of('state', SETTLED)}) = (settled_at IS NOT NULL)", name="settled_has_a_time"),
        CheckConstraint("(state = 'running') = (lease_until IS NOT NULL)", name="running_has_a_lease"),
        CheckConstraint("(state = 'failed') = (error IS NOT NULL)", name="failed_has_an_error"),
        CheckConstraint("charged <= price", name="charged_within_price"),
        CheckConstraint("(batch_id IS NULL) = (line IS NULL)", name="batch_has_lines"),
        Index("ix_jobs_of_key", "key_id", "id"),
        # All that operators look for by its state: nearly every job is completed.
        Index("ix_jobs_not_completed", "state", "id", postgresql_where=f"state <> '{JobState.COMPLETED}'"),
        # As operators are told of it; a line of a batch has its own id for its request's.
        Index(
            "ix_jobs_request_id",
            "request_id",
            postgresql_ops={"request_id": "text_pattern_ops"},
            postgresql_where=f"door <> '{Door.BATCH}'",
        ),
        Index("ix_jobs_retry_of", "retry_of", postgresql_where="retry_of IS NOT NULL"),
        Index("uq_jobs_line", "batch_id", "line", unique=True, postgresql_where="batch_id IS NOT NULL"),
        Index(
            "ix_jobs_metadata",
            "metadata",
            postgresql_using="gin",
            postgresql_ops={"metadata": "jsonb_path_ops"},
            postgresql_where="metadata IS NOT NULL",
        ),
        Index(
            "ix_jobs_queue",
            *("provider", "lane", "key_id", text("priority DESC"), "run_after", "id"),
            postgresql_where=f"state = '{JobState.QUEUED}' AND NOT held",
        ),
        Index(
            "ix_jobs_under_way",
            "provider",
            "state",
            postgresql_where=one_of("state", (JobState.DISPATCHED, JobState.RUNNING)),
        ),
        Index(
            "ix_jobs_called_off",
            "provider",
            "settled_at",
            postgresql_where=f"state = '{JobState.CANCELLED}' AND granted IS NOT NULL",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    state: Mapped[JobState] = mapped_column(server_default=JobState.QUEUED)
    provider: Mapped[str]
    model: Mapped[str]
    upstream_model: Mapped[str]
    lane: Mapped[Lane]
    door: Mapped[Door]
    key_id: Mapped[UUID] = mapped_column(ForeignKey("api_keys.id"))
    request_id: Mapped[str]
    request: Mapped[dict[str, Any]]
    metadata_: Mapped[dict[str, Any] | None] = mapped_column("metadata")  # SQLAlchemy has the plain name
    unit_price: Mapped[Decimal] = mapped_column(server_default="0")
    price: Mapped[Decimal] = mapped_column(server_default="0")
    charged: Mapped[Decimal | None]
    batch_id: Mapped[str | None] = mapped_column(ForeignKey("batches.id"))
    line: Mapped[int | None]
    custom_id: Mapped[str | None]
    webhook_url: Mapped[str | None]
    priority: Mapped[int] = mapped_column(server_default="0")
    held: Mapped[bool] = mapped_column(server_default="false")
    attempt: Mapped[int] = mapped_column(server_default="0")
    failures: Mapped[int] = mapped_column(server_default="0")
    slots: Mapped[int] = mapped_column(server_default="1")
    granted: Mapped[int | None]
    worker: Mapped[str | None]
    error: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime] = mapped_column(server_default=now())
    run_after: Mapped[datetime] = mapped_column(server_default=now())
    dispatched_at: Mapped[datetime | None]
    lease_until: Mapped[datetime | None]
    settled_at: Mapped[datetime | None]
    received: Mapped[dict[str, Any] | None]
    delivered_at: Mapped[datetime | None]
    retry_of: Mapped[UUID | None]

    @staticmethod
    def state_in(*states: JobState) -> ColumnElement[bool]:
        """Spelled out rather than bound, or a prepared statement could not use the partial indexes."""
        return literal_column(one_of("jobs.state", states), Boolean)


class JobEvent(Base):
    """Append-only: what happened to a job, when, to which attempt, by which worker."""

    __tablename__ = "job_events"
    __table_args__ = (CheckConstraint(one_of("event", Event), name="event"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id"), index=True)
    event: Mapped[Event]
    attempt: Mapped[int]
    worker: Mapped[str | None]
    detail: Mapped[dict[str, Any] | None]
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class ProviderCall(Base):
    """One request that a provider may charge for; written before it is sent.

    It is for the pictures of these `positions`; `handle` is how to ask for it once it is accepted, as was done
    `polls` times. Its pictures had `arrived_at` before they were stored.
    """

    __tablename__ = "provider_calls"
    __table_args__ = (
        CheckConstraint(one_of("outcome", CallOutcome), name="outcome"),
        CheckConstraint("(outcome IN ('sent', 'accepted')) = (ended_at IS NULL)", name="ended_has_a_time"),
        CheckConstraint("outcome <> 'accepted' OR handle IS NOT NULL", name="accepted_has_a_handle"),
        Index("ix_provider_calls_unknown", "job_id", postgresql_where=f"outcome = '{CallOutcome.UNKNOWN}'"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.uuidv7())
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id"), index=True)
    attempt: Mapped[int]
    provider: Mapped[str]
    upstream_model: Mapped[str]
    positions: Mapped[list[int]]
    handle: Mapped[dict[str, Any] | None]
    outcome: Mapped[CallOutcome] = mapped_column(server_default=CallOutcome.SENT)
    error: Mapped[dict[str, Any] | None]
    sent_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    accepted_at: Mapped[datetime | None]
    polls: Mapped[int] = mapped_column(server_default="0")
    arrived_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


class Image(Base):
    """One stored picture, found by its unguessable name until `expires_at`.

    Those of a batch stay in the store until `kept_until`: each time their batch's results are read, a new hour
    begins for their addresses. `fetched_at` is when somebody first had it.
    """

    __tablename__ = "images"
    __table_args__ = (
        Index(
            "ix_images_unswept",
            text("coalesce(kept_until, expires_at)"),
            postgresql_where="swept_at IS NULL",
        ),
        Index("uq_images_place", "job_id", "position", unique=True),
    )

    name: Mapped[str] = mapped_column(primary_key=True)
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id"))
    position: Mapped[int]
    object_key: Mapped[str]
    bytes: Mapped[int]
    sha256: Mapped[str]
    revised_prompt: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=now())
    expires_at: Mapped[datetime]
    kept_until: Mapped[datetime | None]
    swept_at: Mapped[datetime | None]
    fetched_at: Mapped[datetime | None]


class HeldPicture(Base):
    """A picture that was paid for and could not be stored yet; it waits here for the next attempt."""

    __tablename__ = "held_pictures"

    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    png: Mapped[bytes]
    revised_prompt: Mapped[str | None]


class Forecast(Base):
    """When a job was expected to end, as its caller was told; when it did end shows how far off that was."""

    __tablename__ = "forecasts"

    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    expected_at: Mapped[datetime]
