"""What an operator or a test sets and reads of a simulator: clock, latency, scripted outcomes, charges."""

import math
import random
import re
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import gevent

SUCCESS = "success"
PROMPT_SHOWN = 120  # characters of a prompt that the log keeps
MAGIC_WORDS = re.compile(r"\[\[(\w+)\]\]")


class ControlError(Exception):
    """A setting that makes no sense; its text is for whoever set it."""


class Clock:
    """The wall clock, until it is advanced."""

    def __init__(self) -> None:
        self.advanced = 0.0

    def now(self) -> float:
        """Seconds since 1970."""
        return time.time() + self.advanced

    def advance(self, seconds: float) -> None:
        self.advanced += _duration(seconds, "advance_seconds")


@dataclass
class Timing:
    """Seconds: a generation takes from minimum to maximum, a slow body and a hanging answer their own."""

    minimum: float = 0.0
    maximum: float = 0.0
    body_seconds: float = 5.0
    hang_seconds: float = 600.0

    def set(self, **seconds: float | None) -> None:
        """Take what is given and leave the rest; nothing changes when one of them makes no sense."""
        given = {name: _duration(value, name) for name, value in seconds.items() if value is not None}
        wanted = {**asdict(self), **given}
        if wanted["minimum"] > wanted["maximum"]:
            raise ControlError("the minimum is above the maximum")
        vars(self).update(wanted)

    def pick(self) -> float:
        return random.uniform(self.minimum, self.maximum)  # noqa: S311 - a delay, no secret


@dataclass(frozen=True)
class Charge:
    """One generation the provider would have charged for, whatever became of its answer."""

    at: float
    request_id: str
    model: str
    size: str
    quality: str
    n: int
    prompt: str
    outcome: str


@dataclass
class Control:
    """All state of one simulator; a single process under gevent, so no locks."""

    provider: str
    known_outcomes: tuple[str, ...]
    clock: Clock = field(default_factory=Clock)
    timing: Timing = field(default_factory=Timing)
    script: deque[str] = field(default_factory=deque)
    charges: list[Charge] = field(default_factory=list)
    requests: int = 0
    in_flight: int = 0
    most_in_flight: int = 0

    def reset(self) -> None:
        """Forget everything but what is in flight now, which still has to be counted down."""
        self.clock, self.timing = Clock(), Timing()
        self.script.clear()
        self.charges.clear()
        self.requests, self.most_in_flight = 0, self.in_flight

    def schedule(self, outcomes: Iterable[tuple[str, int]]) -> None:
        """Append outcomes, each so many times; all of them or, if one is unknown, none."""
        wanted = list(outcomes)
        for name, times in wanted:
            if name not in self.known_outcomes:
                raise ControlError(f"unknown outcome {name!r}; known are {', '.join(self.known_outcomes)}")
            if not 1 <= times <= 10_000:  # noqa: PLR2004 - a slip of the finger, not a script
                raise ControlError("an outcome is repeated 1 to 10000 times")
        for name, times in wanted:
            self.script.extend([name] * times)

    def next_outcome(self, prompt: str) -> str:
        """Magic words in the prompt win, as in ``[[drop]]``; else the script; else success."""
        for word in MAGIC_WORDS.findall(prompt):
            if word in self.known_outcomes:
                return str(word)
        return self.script.popleft() if self.script else SUCCESS

    @contextmanager
    def working(self) -> Iterator[None]:
        """Count one generation request as in flight, from its arrival to its answer."""
        self.requests += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            yield
        finally:
            self.in_flight -= 1

    def take_time(self) -> None:
        gevent.sleep(self.timing.pick())

    def state(self) -> dict[str, Any]:
        return {
            "provider": self.provider,
            "now": self.clock.now(),
            "clock_advanced_seconds": self.clock.advanced,
            "latency": asdict(self.timing),
            "script": list(self.script),
            "known_outcomes": list(self.known_outcomes),
            "requests": self.requests,
            "charges": len(self.charges),
            "pictures_charged": sum(charge.n for charge in self.charges),
            "in_flight": self.in_flight,
            "most_in_flight": self.most_in_flight,
        }


def shown(prompt: str) -> str:
    """Shorten a prompt for the log; a lone surrogate is legal in JSON, and no page could show it."""
    short = prompt if len(prompt) <= PROMPT_SHOWN else prompt[: PROMPT_SHOWN - 1] + "…"
    return short.encode("utf-8", "replace").decode()


def _duration(seconds: float, name: str) -> float:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise ControlError(f"{name} must be a number of seconds")
    if not math.isfinite(seconds) or seconds < 0:
        raise ControlError(f"{name} must not be negative")
    return float(seconds)
