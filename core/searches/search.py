"""Which jobs an operator looks for: a value, and the query of an address that stands for it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any
from uuid import UUID

from core.errors import DarkroomError, FailureKind
from core.states import Door, JobState, Lane

LONGEST = 200
# Of years; arithmetic on those at the ends of the calendar would fall off it.
EARLIEST, LATEST = 1970, 9000
MOST_DOLLARS = 10**9
# Of the id of a job, or of a request.
OF_REQUEST = "req_"
BEGINNING = re.compile(rf"(-*[0-9a-f]){{1,32}}-*|{OF_REQUEST}[0-9a-f]{{4,32}}")


class SearchRefused(DarkroomError):
    """A query that makes no sense. `param` is where, `args` why."""

    def __init__(self, param: str, message: str) -> None:
        super().__init__(f"{param}: {message}")
        self.param = param


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """All jobs, or those with everything that is named.

    `failure` is why they failed; costs are dollars, charged or still reserved. `since` is the first moment that
    counts, `until` the first that does not. A `caller_gone` did not wait for the answer to a synchronous call;
    money is `in_doubt` where a provider may have charged for a call that was lost. The id of the job, or of its
    request, begins with `text`.
    """

    states: frozenset[JobState] = frozenset()
    provider: str | None = None
    model: str | None = None
    key_id: UUID | None = None
    batch_id: str | None = None
    lane: Lane | None = None
    door: Door | None = None
    failure: FailureKind | None = None
    least_cost: Decimal | None = None
    most_cost: Decimal | None = None
    since: datetime | None = None
    until: datetime | None = None
    caller_gone: bool = False
    in_doubt: bool = False
    text: str | None = None

    def named(self) -> dict[str, Any]:
        """What is looked for, by field."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value or isinstance(value, Decimal)}


def from_query(query: Mapping[str, str]) -> Search:
    """Read a query; what is empty counts as absent, and names that are none of ours belong to somebody else.

    Raises SearchRefused.
    """
    given = {name: query.get(parameter, "").strip() for name, (parameter, _) in _PARAMETERS.items()}
    return Search(**{name: _read(*_PARAMETERS[name], text) for name, text in given.items() if text})


def to_query(search: Search) -> dict[str, str]:
    """The query that reads as this search; nothing for what it does not name."""
    return {_PARAMETERS[name][0]: _written(value) for name, value in search.named().items()}


def _read(parameter: str, read: Callable[[str], Any], text: str) -> Any:
    try:
        return read(text)
    except (ValueError, InvalidOperation, OverflowError) as error:
        raise SearchRefused(parameter, f"{text[:LONGEST]!r} {error}") from error


def _written(value: Any) -> str:
    match value:
        case frozenset():
            return ",".join(sorted(value))
        case datetime():
            return value.isoformat()
        case True:
            return "1"
        case _:
            return str(value)


def _one_of(values: type[StrEnum]) -> Callable[[str], StrEnum]:
    def read(text: str) -> StrEnum:
        if text not in [value.value for value in values]:
            raise ValueError(f"is none of {', '.join(values)}")
        return values(text)

    return read


def _states(text: str) -> frozenset[StrEnum]:
    return frozenset(map(_one_of(JobState), text.split(",")))


def _word(text: str) -> str:
    if len(text) > LONGEST or not text.isprintable():
        raise ValueError("is not a name")
    return text


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise ValueError("is not an id") from None


def dollars(text: str) -> Decimal:
    """Raises ValueError."""
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise ValueError("is not an amount of dollars") from None
    if not amount.is_finite() or not 0 <= amount <= MOST_DOLLARS:
        raise ValueError("is not an amount of dollars")
    return amount


def _moment(text: str) -> datetime:
    """UTC where it has no zone of its own, as in a browser's field."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("is not a time such as 2026-11-23T17:30") from None
    if not EARLIEST <= moment.year <= LATEST:
        raise ValueError(f"is not within the years {EARLIEST} to {LATEST}")
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _yes(text: str) -> bool:
    if text != "1":
        raise ValueError("is not 1")
    return True


def _beginning(text: str) -> str:
    if not BEGINNING.fullmatch(text.lower()):
        raise ValueError("is not how the id of a job begins, or of a request, with four digits at least")
    return text.lower()


# field of Search -> (name in a query, how it is read)
_PARAMETERS: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "states": ("state", _states),
    "provider": ("provider", _word),
    "model": ("model", _word),
    "key_id": ("key", _id),
    "batch_id": ("batch", _word),
    "lane": ("lane", _one_of(Lane)),
    "door": ("door", _one_of(Door)),
    "failure": ("error", _one_of(FailureKind)),
    "least_cost": ("cost_from", dollars),
    "most_cost": ("cost_to", dollars),
    "since": ("since", _moment),
    "until": ("until", _moment),
    "caller_gone": ("gone", _yes),
    "in_doubt": ("doubt", _yes),
    "text": ("q", _beginning),
}
