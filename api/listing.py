"""The query of a list: what is asked for in an address, checked, and the shape of a page of the answer."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import UUID

from api.extras import is_text
from api.job_schemas import STATES, ImageJob, JobList, JobStatus
from api.wording import Code, above, below, not_a_member, not_text, unknown, wrong_type
from core.errors import InvalidRequest
from core.reports import Search

USUAL_LIMIT = 20
MOST_ON_A_PAGE = 100
# Of the Unix seconds that have an id's 48 bits of milliseconds, those until the year 2286.
LAST_SECOND = 9_999_999_999
INTEGER = re.compile(r"-?[0-9]{1,18}")
METADATA = re.compile(r"metadata\[(.+)\]", re.DOTALL)
# parameter -> (field of what is looked for, how it is read)
Parameters = Mapping[str, tuple[str, Callable[[str, str], Any]]]


class Listed(Protocol):
    """What can be on a page."""

    @property
    def id(self) -> str: ...


def search(query: Mapping[str, str]) -> Search:
    """Which jobs are asked for. Raises InvalidRequest; an empty value counts as absent."""
    metadata = {key[1]: text for name, text in query.items() if (key := METADATA.fullmatch(name))}
    for name, value in metadata.items():
        if not is_text(name + value):
            raise not_text(f"metadata[{name}]")
    plain = {name: text for name, text in query.items() if not METADATA.fullmatch(name)}
    return Search(**{"limit": USUAL_LIMIT, **read(plain, PARAMETERS)}, metadata=metadata)


def read(query: Mapping[str, str], parameters: Parameters) -> dict[str, Any]:
    """What a query asks for, by field. Raises InvalidRequest; an empty value counts as absent."""
    asked: dict[str, Any] = {}
    for name, value in query.items():
        if not is_text(name + value):
            raise not_text(name)
        if name not in parameters:
            raise unknown(name)
        if value:
            field, parse = parameters[name]
            asked[field] = parse(name, value)
    return asked


def job_id(text: str) -> UUID | None:
    """An id in the one way in which ids are told, in any case; None for anything else."""
    try:
        parsed = UUID(text)
    except ValueError:
        return None
    return parsed if str(parsed) == text.lower() else None


def page(found: list[ImageJob], *, has_more: bool) -> JobList:
    return JobList(**envelope(found, has_more=has_more))


def envelope(found: Sequence[Listed], *, has_more: bool) -> dict[str, Any]:
    """What the pages of all lists have in common."""
    first, last = (found[0].id, found[-1].id) if found else (None, None)
    return {"object": "list", "data": found, "first_id": first, "last_id": last, "has_more": has_more}


def _after(name: str, text: str) -> UUID:
    if found := job_id(text):
        return found
    message = f"Invalid '{name}': expected the id of a job."
    raise InvalidRequest(message, code=Code.INVALID_VALUE, param=name)


def _statuses(name: str, text: str) -> list[Any]:
    words = [word.strip() for word in text.split(",")]
    for word in words:
        if word not in STATES:
            raise not_a_member(name, word, tuple(JobStatus))
    return [state for word in words for state in STATES[JobStatus(word)]]


def _second(name: str, text: str) -> datetime:
    return datetime.fromtimestamp(integer(name, text, least=0, most=LAST_SECOND), UTC)


def limit(name: str, text: str) -> int:
    return integer(name, text, least=1, most=MOST_ON_A_PAGE)


def integer(name: str, text: str, *, least: int, most: int) -> int:
    if not INTEGER.fullmatch(text):
        raise wrong_type(name, "an integer", text)
    number = int(text)
    if number < least:
        raise below(name, number, least)
    if number > most:
        raise above(name, number, most)
    return number


def text(_: str, value: str) -> str:
    return value


PARAMETERS: Parameters = {
    "limit": ("limit", limit),
    "after": ("after", _after),
    "status": ("states", _statuses),
    "model": ("model", text),
    "created_after": ("created_after", _second),
    "created_before": ("created_before", _second),
}
