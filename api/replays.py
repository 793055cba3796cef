"""Calls that were sent before: each finds the job that the first one made, so that nobody pays twice."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from uuid import UUID

from api.calls import Call, Sign
from api.errors import ERRORS, Unsure
from api.seats import Seats
from core import idempotency, waiting_calls
from core.database import Database

# Whoever is refused and told to come again does so within a minute.
MEMORY_SECONDS = 90.0
# Where nobody knows, there may be a job to be found.
COME_AGAIN = tuple(kind for kind, answer in ERRORS.items() if answer.retry and kind is not Unsure)

# A call by its sign, and the retry count that it will have.
Expected = tuple[Sign, int]


class Replays:
    """Of a process; what it remembers of refused calls may be lost without harm to anybody's money."""

    def __init__(self, database: Database, seats: Seats) -> None:
        self._database = database
        self._seats = seats
        self._refused: dict[Expected, tuple[int, float]] = {}

    def find(self, call: Call) -> UUID | None:
        """The job of the call that this one repeats; None for a call of its own. Raises IdempotencyMismatch."""
        self._seats.let_earlier_sit_down(call)
        if call.name is not None:
            with self._database.single() as session:
                return idempotency.standing(
                    session, key_id=call.key_id, name=call.name, fingerprint=call.fingerprint
                )
        if not call.retry_count or not call.reattaches:
            return None
        return self._take_over(call, call.retry_count)

    def _take_over(self, call: Call, retry_count: int) -> UUID | None:
        """A call that was refused made no job: its retry must not have that of an equal call that is well."""
        this = (call.sign, retry_count)
        refused = self._is_expected(this)
        with self._database.single() as session:
            found = waiting_calls.take_over(
                session,
                key_id=call.key_id,
                fingerprint=call.fingerprint,
                retry_count=retry_count,
                held=self._seats.held(call),
                only_left=refused,
            )
        if refused and found is None:
            self._came(this)
        return found

    @contextmanager
    def refusing(self, call: Call) -> Iterator[None]:
        """Remembers that a call came to nothing in this block, where its client is told to come again."""
        try:
            yield
        except COME_AGAIN:
            if call.retry_count is not None:
                self._expect((call.sign, call.retry_count + 1))
            raise

    def _expect(self, call: Expected) -> None:
        now = time.monotonic()
        times, _ = self._refused.pop(call, (0, now))
        self._refused[call] = times + 1, now + MEMORY_SECONDS  # at the end: the oldest come first
        for oldest in [old for old, (_, until) in islice(self._refused.items(), 2) if until < now]:
            del self._refused[oldest]

    def _is_expected(self, call: Expected) -> bool:
        _, until = self._refused.get(call, (0, 0.0))
        return time.monotonic() < until

    def _came(self, call: Expected) -> None:
        times, until = self._refused.pop(call, (0, 0.0))
        if times > 1:
            self._refused[call] = times - 1, until
