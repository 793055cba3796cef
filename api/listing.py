"""The query of a list: what is asked for in an address, checked, and the shape of a page of the answer."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
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


def search(query: Mapping[str, str]) -> Search:
    """Which jobs are asked for. Raises InvalidRequest; an empty value counts as absent."""
    asked: dict[str, Any] = {"limit": USUAL_LIMIT}
    metadata: dict[str, str] = {}
    for name, text in query.items():
        if not is_text(name + text):
            raise not_text(name)
        if key := METADATA.fullmatch(name):
            metadata[key[1]] = text
        elif name not in PARAMETERS:
            raise unknown(name)
        elif text:
            field, read = PARAMETERS[name]
            asked[field] = read(name, text)
    return Search(**asked, metadata=metadata)


def job_id(text: str) -> UUID | None:
    """An id in the one way in which ids are told, in any case; None for anything else."""
    try:
        parsed = UUID(text)
    except ValueError:
        return None
    return parsed if str(parsed) == text.lower() else None


def page(found: list[ImageJob], *, has_more: bool) -> JobList:
    first, last = (found[0].id, found[-1].id) if found else (None, None)
    return JobList(object="list", data=found, first_id=first, last_id=last, has_more=has_more)


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
    return datetime.fromtimestamp(_integer(name, text, least=0, most=LAST_SECOND), UTC)


def _limit(name: str, text: str) -> int:
    return _integer(name, text, least=1, most=MOST_ON_A_PAGE)


def _integer(name: str, text: str, *, least: int, most: int) -> int:
    if not INTEGER.fullmatch(text):
        raise wrong_type(name, "an integer", text)
    number = int(text)
    if number < least:
        raise below(name, number, least)
    if number > most:
        raise above(name, number, most)
    return number


def _text(_: str, text: str) -> str:
    return text


# parameter -> (field of a Search, how it is read)
PARAMETERS: dict[str, tuple[str, Callable[[str, str], Any]]] = {
    "limit": ("limit", _limit),
    "after": ("after", _after),
    "status": ("states", _statuses),
    "model": ("model", _text),
    "created_after": ("created_after", _second),
    "created_before": ("created_before", _second),
}
