"""Who calls: keys, what they may spend and did spend, and the names that they give to requests."""

from datetime import date, datetime
from decimal import Decimal
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
    Account,
    Entry,
)


class ApiKey(Base):
    """A caller. The key itself is not kept: `hash` is its SHA-256, `hint` its last four characters.

    Without `models` every model is allowed; a limit that is absent does not limit. `weight` is its share where
    keys compete. Where a key `reattaches`, a client's automatic retry finds the job that its first call made. An
    `admin` key reads the figures of the whole house.
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
    admin: Mapped[bool] = mapped_column(server_default="false")


class Budget(Base):
    """What a key may spend and has spent, in dollars: the row on which all its intake is counted.

    `used_today` and `used_this_month` hold what was reserved or spent for jobs that came in on `day` and in the
    month that begins with `month`, UTC. `in_flight` is how many of its jobs are not settled, batches aside. Each
    key is given one by a trigger.
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


class IdempotencyKey(Base):
    """A caller's own name for a request: for a day, it stands for the job that was made first."""

    __tablename__ = "idempotency_keys"

    key_id: Mapped[UUID] = mapped_column(ForeignKey("api_keys.id"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[UUID]
    # Looked at when the transaction ends: the name is taken before its job is recorded.
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", deferrable=True, initially="DEFERRED"), index=True)
    created_at: Mapped[datetime] = mapped_column(server_default=now())


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


class Posting(Base):
    """Append-only: money of a key that moved from or to one of its accounts because of a job.

    Those of one entry of a job sum to zero. What is reserved for a batch is so as a whole; its jobs are settled
    one by one. Postings outlive the jobs and batches that they name. Dollars.
    """

    __tablename__ = "postings"
    __table_args__ = (
        CheckConstraint(one_of("entry", Entry), name="entry"),
        CheckConstraint(one_of("account", Account), name="account"),
        CheckConstraint("num_nonnulls(job_id, batch_id) > 0", name="posting_has_a_cause"),
        Index("ix_postings_batch_id", "batch_id", postgresql_where="batch_id IS NOT NULL"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    job_id: Mapped[UUID | None] = mapped_column(index=True)
    batch_id: Mapped[str | None]
    key_id: Mapped[UUID]
    entry: Mapped[Entry]
    account: Mapped[Account]
    amount: Mapped[Decimal]
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
