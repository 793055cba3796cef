"""What a provider says of its own rate limit, in the headers of whatever it answers."""

import math
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

# OpenAI's headers for requests, which others copy; BFL's have no ending.
ENDINGS = ("-requests", "")
MOST = 2**31 - 1
LONGEST = 86_400.0
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_LENGTH = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m|h|d)")
# What is larger than any length of time is a moment: seconds since 1970.
_A_MOMENT = 1e9


@dataclass(frozen=True, slots=True)
class Told:
    """`left` of `most` calls, and all of them after `reset_seconds`; told `at` that time.monotonic()."""

    most: int
    left: int
    reset_seconds: float
    at: float = field(default_factory=time.monotonic)


def read(headers: Mapping[str, str]) -> Told | None:
    """None where nothing is told, or nothing that makes sense. Names of headers are in any case."""
    for ending in ENDINGS:
        with suppress(KeyError, ValueError):
            most, left = (int(headers[f"x-ratelimit-{what}{ending}"]) for what in ("limit", "remaining"))
            seconds = _seconds(headers[f"x-ratelimit-reset{ending}"])
            if 0 <= left <= most <= MOST and math.isfinite(seconds):
                return Told(most, left, min(max(0.0, seconds), LONGEST))
    return None


def _seconds(reset: str) -> float:
    """From `6m0s` or `120ms`, from plain seconds, or from the moment itself. Raises ValueError."""
    lengths = _LENGTH.findall(reset)
    if lengths and "".join(number + unit for number, unit in lengths) == reset:
        return math.fsum(float(number) * UNITS[unit] for number, unit in lengths)
    seconds = float(reset)
    return seconds - time.time() if seconds > _A_MOMENT else seconds
