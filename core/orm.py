"""The tables of the ledger and the constraints by which the database itself defends them."""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, cast
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    ColumnElement,
    Dialect,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    Table,
    Text,
    TypeDecorator,
    func,
    literal_column,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from core.states import SETTLED, Account, CallOutcome, Door, Entry, Event, JobState, Lane

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Closed(TypeDecorator[StrEnum]):
    """A StrEnum kept as text."""

    impl = Text
    cache_ok = True

    def __init__(self, values: type[StrEnum]) -> None:
        super().__init__()
        self.values = values

    def process_bind_param(self, value: StrEnum | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else value.value

    def process_result_value(self, value: str | None, dialect: Dialect) -> StrEnum | None:  # noqa: ARG002
        return None if value is None else self.values(value)


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy's own declaration
        str: Text,
        bytes: LargeBinary,
        datetime: TIMESTAMP(timezone=True),
        dict[str, Any]: JSONB,
        list[int]: ARRAY(Integer),
        list[str]: ARRAY(Text),
        Decimal: Numeric,
        JobState: Closed(JobState),
        Event: Closed(Event),
        CallOutcome: Closed(CallOutcome),
        Door: Closed(Door),
        Lane: Closed(Lane),
        Entry: Closed(Entry),
        Account: Closed(Account),
    }


def table_of(entity: type[Base]) -> Table:
    """The table itself, for statements on the hot path: they skip the ORM's own compilation."""
    return cast("Table", entity.__table__)


def one_of(column: str, values: type[StrEnum] | tuple[StrEnum, ...]) -> str:
    """SQL that holds for the members of a closed set only."""
    return f"{column} IN ({', '.join(repr(value.value) for value in values)})"


def now() -> ColumnElement[datetime]:
    """The database's clock."""
    return func.now()


class ApiKey(Base):
    """A caller. The key itself is not kept: `hash` is its SHA-256, `hint` its last four characters.

    Without `models` every model is allowed; a limit that is absent does not limit. `weight` is its share where
    keys compete. Where a key `reattaches`, a client's automatic retry finds the job that its first call made.
    """

    __tablename__ = "api_keys"
    __table_args__ = (
        CheckConstraint("requests_per_minute > 0", name="requests_per_minute_positive"),
        CheckConstraint("pictures_per_minute > 0", name="pictures_per_minute_positive"),
        CheckConstraint("weight > 0", name="weight_positive"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.uuidv7())
    name: Mapped[str]
    hash: Mapped[bytes] = mapped_column(unique=True)
    hint: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=now())
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    models: Mapped[list[str] | None]
    requests_per_minute: Mapped[int | None]
    pictures_per_minute: Mapped[int | None]
    weight: Mapped[int] = mapped_column(server_default="1")
    reattaches: Mapped[bool] = mapped_column(server_default="true")


class Budget(Base):
    """What a key may spend and has spent, in dollars: the row on which all its intake is counted.

    `used_today` and `used_this_month` hold what was reserved or spent for jobs that came in on `day` and in the
    month that begins with `month`, UTC. `in_flight` is how many of its jobs are not settled. Each key is
    given one by a trigger.
    """

    __tablename__ = "budgets"
    __table_args__ = (
        CheckConstraint("reserved >= 0 AND spent >= 0 AND in_flight >= 0", name="sums_not_negative"),
        CheckConstraint("used_today >= 0 AND used_this_month >= 0", name="periods_not_negative"),
        {"postgresql_with": {"fillfactor": "50"}},  # updated by every job, in place
    )

    key_id: Mapped[UUID] = mapped_column(ForeignKey("api_keys.id"), primary_key=True)
    cap: Mapped[Decimal | None]
    cap_a_day: Mapped[Decimal | None]
    cap_a_month: Mapped[Decimal | None]
    most_in_flight: Mapped[int | None]
    reserved: Mapped[Decimal] = mapped_column(server_default="0")
    spent: Mapped[Decimal] = mapped_column(server_default="0")
    day: Mapped[date] = mapped_column(server_default=func.current_date())
    used_today: Mapped[Decimal] = mapped_column(server_default="0")
    month: Mapped[date] = mapped_column(server_default=func.current_date())
    used_this_month: Mapped[Decimal] = mapped_column(server_default="0")
    in_flight: Mapped[int] = mapped_column(server_default="0")


class Provider(Base):
    """How much of a provider's work may go on at once.

    `slots` is the number of provider calls; none of its jobs start before `paused_until`, nor before `open_until`,
    after which a single one tries whether it is back. `failures` counts calls that failed in a row.
    """

    __tablename__ = "providers"
    __table_args__ = (CheckConstraint("slots >= 0", name="slots_not_negative"),)

    name: Mapped[str] = mapped_column(primary_key=True)
    slots: Mapped[int]
    paused_until: Mapped[datetime | None]
    failures: Mapped[int] = mapped_column(server_default="0")
    open_until: Mapped[datetime | None]


class Job(Base):
    """One accepted request.

    `attempt` is the fencing token, `failures` counts the attempts that were used up, `slots` is how many provider
    calls it makes at once. In dollars: `unit_price` for one picture, `price` for all of them, reserved when the
    job came in, and `charged` what it came to.
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
        Index("ix_jobs_of_key", "key_id", "id"),
        Index(
            "ix_jobs_metadata",
            "metadata",
            postgresql_using="gin",
            postgresql_ops={"metadata": "jsonb_path_ops"},
            postgresql_where="metadata IS NOT NULL",
        ),
        Index("ix_jobs_queue", "provider", "run_after", postgresql_where=f"state = '{JobState.QUEUED}'"),
        Index(
            "ix_jobs_under_way",
            "provider",
            "state",
            postgresql_where=one_of("state", (JobState.DISPATCHED, JobState.RUNNING)),
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
    attempt: Mapped[int] = mapped_column(server_default="0")
    failures: Mapped[int] = mapped_column(server_default="0")
    slots: Mapped[int] = mapped_column(server_default="1")
    worker: Mapped[str | None]
    error: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime] = mapped_column(server_default=now())
    run_after: Mapped[datetime] = mapped_column(server_default=now())
    dispatched_at: Mapped[datetime | None]
    lease_until: Mapped[datetime | None]
    settled_at: Mapped[datetime | None]

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

    It is for the pictures of these `positions`; `handle` is how to ask for it once it is accepted.
    """

    __tablename__ = "provider_calls"
    __table_args__ = (
        CheckConstraint(one_of("outcome", CallOutcome), name="outcome"),
        CheckConstraint("(outcome IN ('sent', 'accepted')) = (ended_at IS NULL)", name="ended_has_a_time"),
        CheckConstraint("outcome <> 'accepted' OR handle IS NOT NULL", name="accepted_has_a_handle"),
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
    ended_at: Mapped[datetime | None]


class Image(Base):
    """One stored picture, found by its unguessable name until `expires_at`."""

    __tablename__ = "images"
    __table_args__ = (
        Index("ix_images_unswept", "expires_at", postgresql_where="swept_at IS NULL"),
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
    swept_at: Mapped[datetime | None]


class HeldPicture(Base):
    """A picture that was paid for and could not be stored yet; it waits here for the next attempt."""

    __tablename__ = "held_pictures"

    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    png: Mapped[bytes]
    revised_prompt: Mapped[str | None]


class WaitingCall(Base):
    """The newest call that waits, or waited, for a job that came in by the synchronous door.

    By its `fingerprint`, a digest of the body, a client's automatic retry finds the job again; `retry_count` is
    the client's own count, `left_at` when the caller is known to have gone without an answer.
    """

    __tablename__ = "waiting_calls"
    __table_args__ = (Index("ix_waiting_calls_fingerprint", "key_id", "fingerprint"),)

    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    key_id: Mapped[UUID]
    fingerprint: Mapped[UUID]
    retry_count: Mapped[int] = mapped_column(server_default="0")
    called_at: Mapped[datetime] = mapped_column(server_default=now())
    left_at: Mapped[datetime | None]


class IdempotencyKey(Base):
    """A caller's own name for a request: for a day, it stands for the job that was made first."""

    __tablename__ = "idempotency_keys"

    key_id: Mapped[UUID] = mapped_column(ForeignKey("api_keys.id"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[UUID]
    # Looked at when the transaction ends: the name is taken before its job is recorded.
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", deferrable=True, initially="DEFERRED"))
    created_at: Mapped[datetime] = mapped_column(server_default=now())


class Posting(Base):
    """Append-only: money of a key that moved from or to one of its accounts because of a job.

    Those of one entry of a job sum to zero. Dollars.
    """

    __tablename__ = "postings"
    __table_args__ = (
        CheckConstraint(one_of("entry", Entry), name="entry"),
        CheckConstraint(one_of("account", Account), name="account"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id"), index=True)
    key_id: Mapped[UUID]
    entry: Mapped[Entry]
    account: Mapped[Account]
    amount: Mapped[Decimal]
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
