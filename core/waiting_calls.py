"""Which caller waits for which job: by it the automatic retry of a call that was lost finds the job it made."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import cast
from uuid import UUID

from sqlalchemy import ARRAY, Boolean, Integer, Uuid, any_, bindparam, case, delete, func, or_, select, update
from sqlalchemy.orm import Session

from core.orm import Job, WaitingCall, table_of
from core.states import LIVE

# A client's own time-out of ten minutes and its pauses fit.
WINDOW = timedelta(minutes=15)
# An answer that was written may have been lost on its way: for so long it can be had again.
RECENT = timedelta(seconds=60)

_JOBS, _CALLS = table_of(Job), table_of(WaitingCall)
_NOW = func.clock_timestamp()
_LEFT, _LIVE = _CALLS.c.left_at.is_not(None), Job.state_in(*LIVE)
_ONLY_LEFT = bindparam("only_left", type_=Boolean)
_HELD = _CALLS.c.job_id == any_(bindparam("held", type_=ARRAY(Uuid)))
# Callers known to have gone come first. Whoever seems to wait at this very process may do so over a dead line, but
# gives his place up last.
_ORDER = case((_LEFT, 1), (_LIVE & ~_HELD, 2), (~_LIVE, 3), else_=4)
# No row is skipped for being locked: it may be the caller's own, just being marked as left. Whoever waits for one
# that another retry takes goes on to the next.
_LOST = (
    select(_CALLS.c.job_id)
    .join(_JOBS, _JOBS.c.id == _CALLS.c.job_id)
    .where(
        _CALLS.c.key_id == bindparam("of_key"),
        _CALLS.c.fingerprint == bindparam("of_fingerprint"),
        _CALLS.c.retry_count < bindparam("count"),
        _CALLS.c.called_at > _NOW - WINDOW,
        or_(_LEFT, ~_ONLY_LEFT & or_(_LIVE, _JOBS.c.settled_at > _NOW - RECENT)),
    )
    .order_by(_ORDER, _CALLS.c.called_at)
    .limit(1)
    .with_for_update(of=_CALLS)
    .cte("lost")
)
_TAKE_OVER = (
    update(_CALLS)
    .where(_CALLS.c.job_id == _LOST.c.job_id)
    .values(retry_count=bindparam("count"), called_at=_NOW, left_at=None)
    .returning(_CALLS.c.job_id)
)


def forget(session: Session) -> None:
    """Drop the calls that no retry can find any more."""
    session.execute(delete(WaitingCall).where(WaitingCall.called_at < _NOW - WINDOW))


def take_over(  # noqa: PLR0913 - by name
    session: Session,
    *,
    key_id: UUID,
    fingerprint: UUID,
    retry_count: int,
    held: Collection[UUID] = (),
    only_left: bool = False,
) -> UUID | None:
    """Let a retry have the place of a lost call with the same key and body; that call's job.

    A place that an equal or later retry has is not to be had; with `only_left`, none but of those who are known to
    have gone. `held` are jobs of such calls whose callers seem to wait at this process.
    """
    given = {
        "of_key": key_id,
        "of_fingerprint": fingerprint,
        "count": retry_count,
        "held": list(held),
        "only_left": only_left,
    }
    return cast("UUID | None", session.scalar(_TAKE_OVER, given))


_GONE = (
    func.unnest(bindparam("job_ids", type_=ARRAY(Uuid)), bindparam("counts", type_=ARRAY(Integer)))
    .table_valued("job_id", "retry_count", name="gone")
    .render_derived()
)
_LEAVING = (
    select(_CALLS.c.job_id)
    .join(_GONE, (_CALLS.c.job_id == _GONE.c.job_id) & (_CALLS.c.retry_count <= _GONE.c.retry_count))
    .where(_CALLS.c.left_at.is_(None))
    .with_for_update(of=_CALLS, skip_locked=True)
    .cte("leaving")
)
_LEAVE = update(_CALLS).where(_CALLS.c.job_id == _LEAVING.c.job_id).values(left_at=_NOW)


def leave(session: Session, calls: Sequence[tuple[UUID, int]]) -> None:
    """Record that the callers of these jobs, each by its retry count, have gone without an answer.

    One whose place a later retry has, or is taking right now, changes nothing.
    """
    session.execute(_LEAVE, {"job_ids": [job_id for job_id, _ in calls], "counts": [count for _, count in calls]})
