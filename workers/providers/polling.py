"""Submit, poll, fetch, once for all: how long an accepted order is asked after, and at what pace."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import uniform
from typing import Any

import structlog

from workers.providers.base import Delivered, Pending
from workers.providers.errors import OutcomeUnknown, TaskFailed, Throttled, Unavailable

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Seconds between two polls where the provider names none, and until the order is given up.

    `rest` lets the seconds between two polls pass; what it raises ends the asking.
    """

    interval: float = 1.0
    deadline: float = 600.0
    rest: Callable[[float], None] = time.sleep


class Overtaken(Exception):
    """Somebody else has the job now, or nobody wants it any more."""


Ask = Callable[[Mapping[str, Any]], Delivered | Pending]


def wait(
    ask: Ask,
    handle: Mapping[str, Any],
    *,
    pace: Pace,
    keep: Callable[[Mapping[str, Any]], None],
    wanted: Callable[[], bool],
) -> Delivered:
    """Ask until the pictures are there. A changed handle goes to `keep` before the next poll.

    Raises ProviderError, OutcomeUnknown at the deadline, Overtaken once the order is not `wanted` any more.
    """
    deadline = time.monotonic() + pace.deadline
    while True:
        answer = _patiently(ask, handle)
        if isinstance(answer, Delivered):
            return answer
        if answer.handle is not None:
            handle = answer.handle
            keep(handle)
        # Jitter: what was submitted together must not be asked after together for ever.
        pause = max(pace.interval, answer.retry_after or 0.0) * uniform(1.0, 1.25)  # noqa: S311 - no secret
        if time.monotonic() + pause > deadline:
            raise OutcomeUnknown(f"not ready within {pace.deadline:.0f} s")
        pace.rest(pause)
        if not wanted():
            raise Overtaken


def _patiently(ask: Ask, handle: Mapping[str, Any]) -> Delivered | Pending:
    """A poll that finds nobody at home costs nothing, and says nothing about the order."""
    try:
        return ask(handle)
    except TaskFailed:
        raise
    except (Unavailable, Throttled) as error:
        log.warning("provider.poll_failed", kind=error.kind, error=str(error))
        return Pending(retry_after=error.retry_after if isinstance(error, Throttled) else None)
