"""Batches of everybody, as operators look at them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.batches import outlook
from core.orm import ApiKey, Batch, Job
from core.states import BatchStatus, JobState

# How many failed lines are looked at to tell why lines fail.
LOOKED_AT = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A batch, and the name of its key."""

    batch: Batch
    key: str

    @property
    def ended(self) -> int:
        return self.batch.completed + self.batch.failed + self.batch.cancelled

    def expected_at(self, now: datetime) -> datetime | None:
        """When it is done at the pace that it has; None where it has none."""
        seconds = outlook.at_pace(self.batch)
        return None if seconds is None else now + timedelta(seconds=seconds)


def page(
    session: Session, *, status: BatchStatus | None = None, before: datetime | None = None, limit: int
) -> Sequence[Seen]:
    """Newest first."""
    found = select(Batch, ApiKey.name).join(ApiKey, ApiKey.id == Batch.key_id)
    if status is not None:
        found = found.where(Batch.status == status)
    if before is not None:
        found = found.where(Batch.created_at < before)
    rows = session.execute(found.order_by(Batch.created_at.desc(), Batch.id).limit(limit))
    return [Seen(batch=batch, key=name) for batch, name in rows]


def one(session: Session, batch_id: str) -> Seen | None:
    row = session.execute(
        select(Batch, ApiKey.name).join(ApiKey, ApiKey.id == Batch.key_id).where(Batch.id == batch_id)
    ).one_or_none()
    return Seen(batch=row[0], key=row[1]) if row else None


def reasons(session: Session, batch_id: str) -> dict[str, int]:
    """Why lines failed, most frequent first; of the first LOOKED_AT that did."""
    failed = (
        select(Job.error["kind"].astext.label("kind"))
        .where(Job.batch_id == batch_id, Job.state == JobState.FAILED)
        .limit(LOOKED_AT)
        .subquery()
    )
    rows = session.execute(
        select(failed.c.kind, func.count()).group_by(failed.c.kind).order_by(func.count().desc())
    )
    return {row[0]: row[1] for row in rows}


def under_way(session: Session, batch_id: str) -> int:
    """How many lines have begun and not ended."""
    live = Job.state_in(JobState.DISPATCHED, JobState.RUNNING)
    return session.scalar(select(func.count()).where(Job.batch_id == batch_id, live)) or 0
