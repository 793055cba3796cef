"""Holds a call until its job is settled: without a database connection, thousands at once in one process."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from threading import Event, Thread
from uuid import UUID

import structlog
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from core import results
from core.database import Database
from core.notifier import Notifier
from core.results import Result

# Announcements are hints that may be lost; at this pace every waiting job is looked up whatever was announced.
POLL_SECONDS = 2.0
RECONNECT_SECONDS = 0.5

log = structlog.get_logger()


class Seat:
    """Where one call waits."""

    __slots__ = ("_done", "_result")

    def __init__(self) -> None:
        self._done = Event()
        self._result: Result | None = None

    def wait(self, seconds: float) -> Result | None:
        """The result, or None when it took longer."""
        self._done.wait(seconds)
        return self._result

    def call(self, result: Result) -> None:
        self._result = result
        self._done.set()


class WaitingRoom:
    """All waiting calls of a process, served by one listener and one reader of the ledger."""

    def __init__(self, database: Database, notifier: Notifier) -> None:
        self._database = database
        self._notifier = notifier
        self._seats: dict[UUID, Seat] = {}
        self._heard: SimpleQueue[UUID | None] = SimpleQueue()
        self._poll_due = 0.0

    def open(self) -> None:
        for target in (self._listen, self._read):
            Thread(target=target, name=f"waiting{target.__name__}", daemon=True).start()

    @contextmanager
    def seat(self, job_id: UUID) -> Iterator[Seat]:
        """A seat for a job that is about to be recorded: taken before, so that no announcement is missed."""
        seat = self._seats[job_id] = Seat()
        try:
            yield seat
        finally:
            del self._seats[job_id]

    def _listen(self) -> None:
        while True:
            try:
                for heard in self._notifier.listen():
                    if heard is None or heard in self._seats:
                        self._heard.put(heard)
            except RedisError as error:
                log.warning("waiting.deaf", error=str(error))
                time.sleep(RECONNECT_SECONDS)

    def _read(self) -> None:
        while True:
            try:
                self._serve(self._next())
            except SQLAlchemyError as error:
                log.warning("waiting.blind", error=str(error).partition("\n")[0])
                time.sleep(RECONNECT_SECONDS)
                self._poll_due = 0.0

    def _next(self) -> list[UUID]:
        """Wait for announcements; all waiting jobs when a poll is due or the subscription stands anew."""
        heard: set[UUID | None] = set()
        with suppress(Empty):
            heard.add(self._heard.get(timeout=max(0.0, self._poll_due - time.monotonic())))
            while True:
                heard.add(self._heard.get_nowait())
        if None not in heard and time.monotonic() < self._poll_due:
            return [job_id for job_id in heard if job_id in self._seats]
        self._poll_due = time.monotonic() + POLL_SECONDS
        return list(self._seats)

    def _serve(self, job_ids: list[UUID]) -> None:
        if not job_ids:
            return
        with self._database.single() as session:
            found = results.of_jobs(session, job_ids)
        for job_id, result in found.items():
            if seat := self._seats.get(job_id):
                seat.call(result)
