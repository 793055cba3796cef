"""Adds up what happened to jobs, each event exactly once: by minute, hour and day, and ever."""

from datetime import timedelta
from typing import Any, cast

from sqlalchemy import (
    ColumnElement,
    CursorResult,
    DateTime,
    ScalarSelect,
    Table,
    any_,
    bindparam,
    delete,
    func,
    literal_column,
    select,
    text,
    update,
)
from sqlalchemy.orm import Session

from core.history import counting
from core.orm import Base, CallCount, FailureCount, History, JobEvent, Watermark, table_of
from core.states import Grain

PORTION = 5000
# The clock may be set back while events are being written.
MARGIN = timedelta(seconds=2)

_WATERMARK = "history"


def roll_up(session: Session) -> int:
    """Add up the next events, at most PORTION; how many those were: 0 where another process is at it."""
    position = session.execute(_TAKE__WATERMARK).scalar_one_or_none()
    if position is None:
        return 0
    # Before the events are looked at: who has committed by then is seen, who has not is waited for.
    horizon = session.execute(_HORIZON).scalar_one()
    end, events = session.execute(_END, {"position": position, "horizon": horizon}).one()
    if events:
        for count in counting.EACH:
            session.execute(count, {"position": position, "end": end})
        session.execute(update(Watermark).where(Watermark.name == _WATERMARK).values(position=end))
    return int(events)


_TAKE__WATERMARK = select(Watermark.position).where(Watermark.name == _WATERMARK).with_for_update(skip_locked=True)

# Ids are given in the order of time, yet not committed in it: up to here, all are there that ever will be. Whoever
# writes events has locked their table for that before the first gets its id, and until it commits.
_HORIZON = text("""
SELECT least(min(coalesce(xact_start, '-infinity')), statement_timestamp()) - CAST(:margin AS interval)
FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE relation = 'job_events'::regclass AND mode = 'RowExclusiveLock' AND granted
AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
AND pid <> pg_backend_pid()
""").bindparams(margin=MARGIN)

_NEXT = (
    select(JobEvent.id, JobEvent.at)
    .where(JobEvent.id > bindparam("position"))
    .order_by(JobEvent.id)
    .limit(PORTION)
    .cte("next")
)
_TOO_NEW = select(_NEXT.c.id).where(_NEXT.c.at >= bindparam("horizon", type_=DateTime(timezone=True)))
_END = select(func.max(_NEXT.c.id), func.count()).where(
    _NEXT.c.id < func.coalesce(_TOO_NEW.order_by(_NEXT.c.id).limit(1).scalar_subquery(), (1 << 63) - 1)
)


def lag(session: Session) -> timedelta:
    """How old the first event is that is not added up yet; zero where there is none."""
    position = func.coalesce(select(Watermark.position).where(Watermark.name == _WATERMARK).scalar_subquery(), 0)
    age = func.clock_timestamp() - JobEvent.at
    first = select(age).where(JobEvent.id > position).order_by(JobEvent.id).limit(1)
    return session.execute(first).scalar_one_or_none() or timedelta()


def prune(session: Session) -> int:
    """Drop counts of minutes that are too old to be looked at, at most PORTION of a table; how many those were."""
    return sum(_prune(session, counted) for counted in (History, FailureCount, CallCount))


def _prune(session: Session, counted: type[Base]) -> int:
    table = table_of(counted)
    dropped = session.execute(delete(table).where(any_(func.array(_old(table))) == _PLACE))
    return cast("CursorResult[Any]", dropped).rowcount


def _old(table: Table) -> ScalarSelect[Any]:
    old = table.c.at < func.clock_timestamp() - counting.MINUTES_KEPT
    return (
        select(_PLACE)
        .select_from(table)
        .where(table.c.grain == Grain.MINUTE, old)
        .limit(PORTION)
        .scalar_subquery()
    )


# Where a row is: the shortest way to it within a statement.
_PLACE: ColumnElement[Any] = literal_column("ctid")
