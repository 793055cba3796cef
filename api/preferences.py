"""The header `Prefer` (RFC 7240): a caller who would rather be told of a job than wait for its pictures."""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.request import parse_http_list

from werkzeug.datastructures import Headers

from core.states import Door

# Longer than anybody waits.
MOST_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Preferences:
    """`wait` is the most seconds that the caller would like to wait."""

    respond_async: bool = False
    wait: int | None = None

    @property
    def applied(self) -> str:
        """For `Preference-Applied`; empty where there is no preference, hence no leave to answer 202."""
        wait = [f"wait={self.wait}"] if self.wait is not None else []
        return ", ".join([*["respond-async"] * self.respond_async, *wait])

    @property
    def door(self) -> Door:
        return Door.ASYNC if self.respond_async else Door.SYNC

    def bound(self, seconds: float) -> float:
        """How long to wait for pictures where `seconds` is the most."""
        if self.wait is None:
            return 0.0 if self.respond_async else seconds
        return min(self.wait, seconds)


def read(headers: Headers) -> Preferences:
    """As the RFC has it: the first of its kind counts, and what is unknown or malformed is ignored."""
    given: dict[str, str] = {}
    for name, value in _each(",".join(headers.getlist("Prefer"))):
        given.setdefault(name, value)
    wait = given.get("wait", "")
    return Preferences(
        respond_async=given.get("respond-async") == "",
        wait=int(wait) if wait.isascii() and wait.isdecimal() and len(wait) <= MOST_DIGITS else None,
    )


def _each(text: str) -> Iterator[tuple[str, str]]:
    """Names, which know no case, and values without their quotes; parameters are left out."""
    for preference in parse_http_list(text):
        name, _, value = preference.partition(";")[0].partition("=")
        yield name.strip().lower(), value.strip().removeprefix('"').removesuffix('"')
