"""What the events between two ids add to the counts: a statement for each of the three tables."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    CTE,
    ColumnElement,
    DateTime,
    Double,
    Integer,
    Numeric,
    Select,
    Table,
    TableValuedAlias,
    Text,
    Uuid,
    and_,
    cast,
    column,
    func,
    literal,
    or_,
    select,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import Insert, aggregate_order_by, array, insert

from core.errors import FailureKind
from core.history.durations import BUCKETS, sums
from core.orm import CallCount, FailureCount, History, table_of
from core.states import Event, Grain

# What is counted for a key is counted once more under this id: for the house, however many keys it has.
EVERYBODY = UUID(int=0)

MINUTES_KEPT = timedelta(days=2)

_GROUPED = ("at", "provider", "model", "lane", "key_id")
_MEASURES = ("wait", "render", "store", "total")
_REFUSALS = (FailureKind.REJECTED, FailureKind.MODERATED)
_MOMENT = DateTime(timezone=True)

# Each event, and each call that made pictures of a job that has ended. Durations are in seconds.
_EVENTS = text("""
SELECT event.at, jobs.provider, jobs.model, jobs.lane, jobs.key_id, jobs.id AS job_id,
    event.event, event.attempt, event.detail ->> 'kind' AS kind,
    CASE WHEN settled THEN (SELECT count(*) FROM images WHERE images.job_id = jobs.id) END AS pictures,
    CASE WHEN settled THEN jobs.charged END AS charged,
    CASE WHEN event.event = 'claimed' AND event.attempt = 1
        THEN extract(epoch FROM event.at - jobs.created_at) END AS wait,
    NULL::numeric AS render,
    NULL::numeric AS store,
    CASE WHEN settled THEN extract(epoch FROM event.at - jobs.created_at) END AS total
FROM job_events AS event JOIN jobs ON jobs.id = event.job_id
CROSS JOIN LATERAL (SELECT event.event IN ('completed', 'failed', 'cancelled') AS settled) AS ending
WHERE event.id > :position AND event.id <= :end
UNION ALL
SELECT event.at, jobs.provider, jobs.model, jobs.lane, jobs.key_id, jobs.id,
    NULL, NULL, NULL, NULL, NULL, NULL,
    extract(epoch FROM coalesce(call.arrived_at, call.ended_at) - call.sent_at),
    extract(epoch FROM call.ended_at - call.arrived_at),
    NULL
FROM job_events AS event JOIN jobs ON jobs.id = event.job_id JOIN provider_calls AS call ON call.job_id = jobs.id
WHERE event.id > :position AND event.id <= :end
AND event.event IN ('completed', 'failed', 'cancelled') AND call.outcome = 'delivered'
""").columns(
    column("at", _MOMENT),
    *(column(name, Text) for name in ("provider", "model", "lane")),
    *(column(name, Uuid) for name in ("key_id", "job_id")),
    column("event", Text),
    column("attempt", Integer),
    column("kind", Text),
    column("pictures", Integer),
    *(column(name, Numeric) for name in ("charged", "wait", "render", "store", "total")),
)
_CALLS = text("""
SELECT event.at, call.provider, jobs.model, call.outcome
FROM job_events AS event JOIN jobs ON jobs.id = event.job_id JOIN provider_calls AS call ON call.job_id = jobs.id
WHERE event.id > :position AND event.id <= :end AND event.event IN ('completed', 'failed', 'cancelled')
""").columns(column("at", _MOMENT), *(column(name, Text) for name in ("provider", "model", "outcome")))


def _spans(at: ColumnElement[datetime]) -> TableValuedAlias:
    """The minute, the hour, the day and the ever that a moment is counted in; UTC."""
    starts = {
        Grain.MINUTE: func.date_trunc("minute", at, "UTC"),
        Grain.HOUR: func.date_trunc("hour", at, "UTC"),
        Grain.DAY: func.date_trunc("day", at, "UTC"),
        Grain.EVER: cast("-infinity", _MOMENT),
    }
    unnested = func.unnest(array([grain.value for grain in starts]), array(starts.values()))
    return unnested.table_valued(column("grain", Text), column("at", _MOMENT)).render_derived("span")


def _kept(span: TableValuedAlias) -> ColumnElement[bool]:
    """Not minutes that would be dropped at once: of a ledger that was never added up, those are many."""
    return or_(span.c.grain != Grain.MINUTE, span.c.at > func.clock_timestamp() - MINUTES_KEPT)


def _adding(counts: Select[Any], table: Table) -> Insert:
    """Adds counts to those that are there; of jobs that are named, the last one stays."""
    names = [column.name for column in counts.selected_columns]
    row = insert(table).from_select(names, counts)
    added = [name for name in names if name not in table.primary_key.columns]
    return row.on_conflict_do_update(
        index_elements=list(table.primary_key.columns),
        set_={name: _sum(table.c[name], row.excluded[name]) for name in added},
    )


def _sum(before: ColumnElement[Any], more: ColumnElement[Any]) -> ColumnElement[Any]:
    match before.type:
        case ARRAY():
            return func.add_counts(before, more)
        case Uuid():
            return more
        case _:
            return before + more


def _counting_jobs() -> Insert:
    events = _EVENTS.cte("events")
    buckets = (_bucket(events.c[measure]).label(f"{measure}_bucket") for measure in _MEASURES)
    # Materialized, or the bucket would be worked out anew for each count.
    facts = select(events, *buckets).cte("facts").prefix_with("MATERIALIZED")
    minute = func.date_trunc("minute", facts.c.at, "UTC").label("at")
    of_key = (minute, *(facts.c[name] for name in _GROUPED[1:]))
    # First by minute and key: what is left to be added up for the longer spans, and for all keys, is little.
    minutes = select(*of_key, *_jobs(facts), *_durations(facts)).group_by(*of_key).cte("minutes")
    span = _spans(minutes.c.at)
    owners = func.unnest(array([minutes.c.key_id, literal(EVERYBODY)])).table_valued(column("key_id", Uuid))
    owner = owners.render_derived("owner")
    group = (span.c.grain, span.c.at, *(minutes.c[name] for name in ("provider", "model", "lane")), owner.c.key_id)
    added = (_total(counted).label(counted.name) for counted in minutes.columns if counted.name not in _GROUPED)
    found = select(*group, *added).select_from(minutes).join(span, true()).join(owner, true())
    return _adding(found.where(_kept(span)).group_by(*group), table_of(History))


def _total(counted: ColumnElement[Any]) -> ColumnElement[Any]:
    if isinstance(counted.type, ARRAY):
        return cast(array(sums(counted)), ARRAY(Integer))
    return func.sum(counted)


def _bucket(seconds: ColumnElement[Any]) -> ColumnElement[int]:
    return func.width_bucket(cast(seconds, Double), cast(array(BUCKETS), ARRAY(Double)))


def _jobs(facts: CTE) -> Iterator[ColumnElement[Any]]:
    event = facts.c.event
    counted = {
        "recorded": event == Event.RECORDED,
        "started": and_(event == Event.CLAIMED, facts.c.attempt == 1),
        "retried": event == Event.RETRIED,
        "rescued": event == Event.RESCUED,
        "handed_over": event == Event.HANDED_OVER,
        "completed": event == Event.COMPLETED,
        "failed": event == Event.FAILED,
        "refused": and_(event == Event.FAILED, facts.c.kind.in_(_REFUSALS)),
        "cancelled": event == Event.CANCELLED,
    }
    for name, happened in counted.items():
        yield func.count().filter(happened).label(name)
    for name in ("pictures", "charged"):
        yield func.coalesce(func.sum(facts.c[name]), 0).label(name)


def _durations(facts: CTE) -> Iterator[ColumnElement[Any]]:
    for measure in _MEASURES:
        bucket = facts.c[f"{measure}_bucket"]
        counts = array([func.count().filter(bucket == number) for number in range(len(BUCKETS) + 1)])
        yield cast(counts, ARRAY(Integer)).label(f"{measure}s")
        yield func.coalesce(func.sum(facts.c[measure]), 0).label(f"{measure}_seconds")


def _counting_failures() -> Insert:
    events = _EVENTS.cte("events")
    span = _spans(events.c.at)
    group = (span.c.grain, span.c.at, *(events.c[name] for name in ("provider", "model", "kind")))
    last = func.array_agg(aggregate_order_by(events.c.job_id, events.c.at.desc()), type_=ARRAY(Uuid))[1]
    found = select(*group, func.count().label("jobs"), last.label("job_id")).join_from(events, span, true())
    failed = events.c.event == Event.FAILED
    return _adding(found.where(failed, _kept(span)).group_by(*group), table_of(FailureCount))


def _counting_calls() -> Insert:
    calls = _CALLS.cte("calls")
    span = _spans(calls.c.at)
    group = (span.c.grain, span.c.at, *(calls.c[name] for name in ("provider", "model", "outcome")))
    found = select(*group, func.count().label("calls")).join_from(calls, span, true())
    return _adding(found.where(_kept(span)).group_by(*group), table_of(CallCount))


# Each is given the `position` that was counted up to, and the `end` that is to be counted up to.
EACH = (_counting_jobs(), _counting_failures(), _counting_calls())
