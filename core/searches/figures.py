"""How many jobs a search finds: by state, provider, model, lane and failure, and over time."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, func, select, true
from sqlalchemy.orm import Session

from core.errors import FailureKind
from core.searches.matches import Candidates, candidates, guard, is_led_by_states, matching, states_of
from core.searches.search import Search
from core.states import JobState, Lane

# At most so many bars in a chart, each as wide as one of these.
MOST_BINS = 60
WIDTHS = tuple(
    timedelta(seconds=seconds)
    for seconds in (1, 5, 15, 60, 300, 900, 3600, 3 * 3600, 6 * 3600, 24 * 3600, 7 * 24 * 3600, 365 * 24 * 3600)
)

_EPOCH = datetime(2001, 1, 1, tzinfo=UTC)  # a Monday


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many jobs have each value, with everything that is looked for but that very dimension.

    Where they are `capped`, only the newest were looked at: there are as many, or more. `oldest` is when the first
    of those that were looked at came in; None where there were none.
    """

    total: int
    states: Mapping[JobState, int]
    providers: Mapping[str, int]
    models: Mapping[str, int]
    lanes: Mapping[Lane, int]
    failures: Mapping[FailureKind, int]
    capped: bool
    oldest: datetime | None


@dataclass(frozen=True, slots=True)
class Bin:
    """Jobs that came in from `at` on, by what they are now."""

    at: datetime
    states: Mapping[JobState, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Oldest first, without gaps, each bin as long as `width`. `capped` as in Counts."""

    bins: tuple[Bin, ...]
    width: timedelta
    capped: bool


# column of a group -> what of a search it is compared with
_DIMENSIONS = {"state": "states", "provider": "provider", "model": "model", "lane": "lane", "kind": "failure"}


def counts(session: Session, search: Search) -> Counts:
    """Two looks at most: the index that leads to some states does not tell of the others."""
    guard(session)
    free = replace(search, states=frozenset(), failure=None, provider=None, model=None, lane=None)
    states = states_of(search)
    loose = _groups(session, free)
    strict = _groups(session, replace(free, states=states)) if states and is_led_by_states(search) else loose
    found = {column: _count(strict.groups, search, column) for column in _DIMENSIONS}
    found["state"] = _count(loose.groups, search, "state")
    return Counts(
        total=sum(group.jobs for group in strict.groups if _fits(group, search.named())),
        states={JobState(state): jobs for state, jobs in found["state"].items()},
        providers=found["provider"],
        models=found["model"],
        lanes={Lane(lane): jobs for lane, jobs in found["lane"].items()},
        failures={FailureKind(kind): jobs for kind, jobs in found["kind"].items()},
        capped=loose.capped or strict.capped,
        oldest=min((group.oldest for group in strict.groups), default=None),
    )


class _Groups(NamedTuple):
    """Candidates that have values in common: how many `jobs` match, of how many that were `seen`, the `oldest`."""

    groups: Sequence[Any]
    capped: bool


def _grouped(session: Session, search: Search, looked_at: Candidates, *columns: ColumnElement[Any]) -> _Groups:
    found = func.count().filter(*matching(looked_at, search) or [true()])
    seen = (func.count().label("seen"), func.min(looked_at.rows.c.created_at).label("oldest"))
    groups = session.execute(select(*columns, found.label("jobs"), *seen).group_by(*columns)).all()
    return _Groups(groups, not looked_at.are_all(sum(group.seen for group in groups)))


def _groups(session: Session, search: Search) -> _Groups:
    """By all dimensions at once: a few dozen rows."""
    looked_at = candidates(search)
    job = looked_at.rows.c
    kind = job.error["kind"].astext.label("kind")
    return _grouped(session, search, looked_at, job.state, job.provider, job.model, job.lane, kind)


def _count(groups: Sequence[Any], search: Search, column: str) -> Mapping[Any, int]:
    """By the values of one dimension, as if the search did not name it; the most first."""
    without = {name: value for name, value in search.named().items() if name != _DIMENSIONS[column]}
    counted: Counter[Any] = Counter()
    for group in groups:
        if (value := getattr(group, column)) is not None and _fits(group, without):
            counted[value] += group.jobs
    return dict(counted.most_common())


def _fits(group: Any, named: Mapping[str, Any]) -> bool:
    for column, name in _DIMENSIONS.items():
        wanted, value = named.get(name), getattr(group, column)
        if wanted and (value not in wanted if column == "state" else value != wanted):
            return False
    return True


def series(session: Session, search: Search, oldest: datetime | None) -> Series:
    """When the jobs that a search finds came in, from the first moment that is looked at to the last.

    `oldest` is that of its Counts: to find it takes as long as to count.
    """
    guard(session)
    if oldest is None:
        return Series(bins=(), width=WIDTHS[0], capped=False)
    looked_at = candidates(search)
    job = looked_at.rows.c
    begin = max(filter(None, (search.since, oldest)))
    end = min(filter(None, (search.until, datetime.now(UTC))))
    width = next((width for width in WIDTHS if (end - begin) / width < MOST_BINS), WIDTHS[-1])
    at = func.date_bin(width, job.created_at, _EPOCH).label("at")
    found = _grouped(session, search, looked_at, at, job.state)
    counted: dict[datetime, dict[JobState, int]] = {}
    for group in found.groups:
        if group.jobs:
            counted.setdefault(group.at, {})[group.state] = group.jobs
    first = _EPOCH + (begin - _EPOCH) // width * width
    moments = [first + number * width for number in range(int((end - first) / width) + 1)]
    return Series(bins=tuple(Bin(at, counted.get(at, {})) for at in moments), width=width, capped=found.capped)
