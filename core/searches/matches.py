"""Finds jobs among a million in a bounded time: the newest that an index leads to are looked at, and no more."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    Boolean,
    ColumnCollection,
    ColumnElement,
    Integer,
    Select,
    Subquery,
    and_,
    any_,
    func,
    literal_column,
    select,
    true,
    union_all,
)
from sqlalchemy.orm import Session

from core.job_ids import CLOCKS_APART, first_id
from core.orm import Job, ProviderCall
from core.searches.search import OF_REQUEST, Search
from core.states import CallOutcome, Door, JobState

# How many jobs a statement looks at: as they came in, side by side in the table, or here and there in it.
SIDE_BY_SIDE, SCATTERED = 50_000, 10_000
# An answer that is not on record after this long never left.
UNDELIVERED = timedelta(seconds=10)
MOST_SECONDS = 2

Columns = ColumnCollection[str, Any]
# An id, and whether what is looked for is above it, or below.
Bound = tuple[UUID, bool]

_FENCE = literal_column("0", Integer)
# Spelled out, as in Job.state_in.
_IS_NO_LINE = literal_column(f"jobs.door <> '{Door.BATCH}'", Boolean)
_IS_LOST = literal_column(f"provider_calls.outcome = '{CallOutcome.UNKNOWN}'", Boolean)
COLUMNS = (
    *(Job.id, Job.state, Job.provider, Job.model, Job.key_id, Job.batch_id, Job.lane, Job.door, Job.request_id),
    *(Job.request, Job.error, Job.price, Job.charged, Job.created_at, Job.settled_at, Job.delivered_at),
)


class Candidates(NamedTuple):
    """Jobs to look at, `most` at most; all there are where that is None."""

    rows: Subquery
    most: int | None

    def are_all(self, seen: int) -> bool:
        return self.most is None or seen < self.most


def guard(session: Session) -> None:
    """For the rest of a transaction that looks for jobs: it takes the indexes, or gives up.

    Plans made once for all values, and estimates of how many jobs wait that were true a minute ago, lead to
    reading whole tables.
    """
    set_ = {
        "statement_timeout": f"{MOST_SECONDS}s",
        "enable_seqscan": "off",
        "plan_cache_mode": "force_custom_plan",
    }
    session.execute(select(*(func.set_config(name, value, True) for name, value in set_.items())))


def matching(looked_at: Candidates, search: Search) -> list[ColumnElement[bool]]:
    """What candidates have to be; that this led to them already does no harm."""
    return [_CONDITIONS[name](looked_at.rows.c, value) for name, value in search.named().items()]


def _cost(job: Columns) -> ColumnElement[Decimal]:
    return func.coalesce(job.charged, job.price)


def _is_gone(job: Columns) -> ColumnElement[bool]:
    late = job.settled_at < func.clock_timestamp() - UNDELIVERED
    return and_(job.door == Door.SYNC, job.delivered_at.is_(None), late)


_CONDITIONS: Mapping[str, Callable[[Columns, Any], ColumnElement[bool]]] = {
    "states": lambda job, states: job.state.in_(states),
    "provider": lambda job, provider: job.provider == provider,
    "model": lambda job, model: job.model == model,
    "key_id": lambda job, key_id: job.key_id == key_id,
    "batch_id": lambda job, batch_id: job.batch_id == batch_id,
    "lane": lambda job, lane: job.lane == lane,
    "door": lambda job, door: job.door == door,
    "failure": lambda job, failure: job.error["kind"].astext == failure,
    "least_cost": lambda job, cost: _cost(job) >= cost,
    "most_cost": lambda job, cost: _cost(job) <= cost,
    "since": lambda job, since: job.created_at >= since,
    "until": lambda job, until: job.created_at < until,
    "caller_gone": lambda job, _: _is_gone(job),
    "in_doubt": lambda *_: true(),
    "text": lambda job, text: job.request_id.bool_op("^@")(text) if text.startswith(OF_REQUEST) else true(),
}


def candidates(search: Search, *, before: UUID | None = None, after: UUID | None = None) -> Candidates:
    """The newest that can be what is looked for, of those before a job; the oldest, of those after one."""

    def within(job_id: Any) -> list[ColumnElement[bool]]:
        return _between(job_id, [*_ids_of(search), (before, False), (after, True)])

    def first(jobs: Select[Any], most: int) -> Select[Any]:
        id_ = jobs.selected_columns.id
        return jobs.order_by(id_.desc() if after is None else id_).limit(literal_column(str(most), Integer))

    jobs = select(*COLUMNS).where(*within(Job.id))
    if search.in_doubt:
        ids = select(ProviderCall.job_id.label("id")).where(_IS_LOST, *within(ProviderCall.job_id)).distinct()
        lost = func.array(first(ids, SCATTERED).scalar_subquery())
        return Candidates(jobs.where(Job.id == any_(lost)).subquery(), SCATTERED)
    if search.batch_id:
        # Fenced: a batch's lines are found by their own index, not by reading all jobs in the order of their ids.
        return Candidates(jobs.where(Job.batch_id == search.batch_id).offset(_FENCE).subquery(), None)
    if search.text and search.text.startswith(OF_REQUEST):
        # A line of a batch is no request of its own: it has its job's id for one, and is in no index of those.
        asked = first(jobs.where(_IS_NO_LINE, Job.request_id.bool_op("^@")(search.text)), SCATTERED).subquery()
        lines = jobs.where(~_IS_NO_LINE, *_between(Job.id, _beginning_with(search.text.removeprefix(OF_REQUEST))))
        merged = union_all(select(asked), select(first(lines, SCATTERED).subquery())).subquery()
        return Candidates(first(select(merged), SCATTERED).subquery(), SCATTERED)
    states = states_of(search)
    if states and JobState.COMPLETED not in states:
        of_each = [first(jobs.where(Job.state_in(state)), SCATTERED).subquery() for state in sorted(states)]
        merged = union_all(*(select(each) for each in of_each)).subquery()
        return Candidates(first(select(merged), SCATTERED).subquery(), SCATTERED)
    if search.key_id:
        return Candidates(first(jobs.where(Job.key_id == search.key_id), SCATTERED).subquery(), SCATTERED)
    return Candidates(first(jobs, SIDE_BY_SIDE).subquery(), SIDE_BY_SIDE)


def states_of(search: Search) -> frozenset[JobState]:
    """What states it leaves: jobs with a failure have failed."""
    return frozenset({JobState.FAILED}) if search.failure else search.states


def is_led_by_states(search: Search) -> bool:
    """Whether `candidates` are others where it is for jobs in other states."""
    return not (search.in_doubt or search.batch_id or (search.text or "").startswith(OF_REQUEST))


def _ids_of(search: Search) -> Iterator[Bound]:
    """What the ids of all that is looked for are above or below: they are in order of time, and have an index."""
    if search.since:
        yield first_id(search.since, after=-CLOCKS_APART), True
    if search.until:
        yield first_id(search.until, after=CLOCKS_APART), False
    if search.text and not search.text.startswith(OF_REQUEST):
        yield from _beginning_with(search.text)


def _beginning_with(text: str) -> Iterator[Bound]:
    digits = text.replace("-", "")
    yield UUID(int=max(int(digits.ljust(32, "0"), 16) - 1, 0)), True
    yield UUID(int=min(int(digits.ljust(32, "f"), 16) + 1, 2**128 - 1)), False


def _between(job_id: Any, bounds: Iterable[tuple[UUID | None, bool]]) -> list[ColumnElement[bool]]:
    return [job_id > bound if above else job_id < bound for bound, above in bounds if bound]


class Look(NamedTuple):
    """Ids of jobs that match, and the one to go on from; None where nothing is left."""

    ids: Sequence[UUID]
    last: UUID | None


def look(session: Session, search: Search, *, before: UUID | None, after: UUID | None, most: int) -> Look:
    """So many that match, or fewer where no more are found in a bounded time; in the order of `candidates`."""
    looked_at = candidates(search, before=before, after=after)
    id_ = looked_at.rows.c.id
    order = id_.desc() if after is None else id_
    wanted = select(id_).where(*matching(looked_at, search)).order_by(order)
    ids = session.scalars(wanted.limit(most + 1)).all()
    if len(ids) > most:
        return Look(ids[:most], ids[most - 1])
    if looked_at.most is None:
        return Look(ids, None)
    return Look(ids, session.scalar(select(id_).order_by(order).offset(looked_at.most - 1).limit(1)))
