"""Holds a call until its job is settled: without a database connection, thousands at once in one process."""

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from socket import socket
from threading import Event, Lock, Thread
from uuid import UUID

import structlog
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from api.calls import Call
from api.hangups import Hangups
from api.receipts import Receipts
from api.replays import Replays
from api.seats import Parting, Seat, Seats
from core import results, waiting_calls
from core.database import Database
from core.notifier import Notifier
from core.results import Result

# Announcements are hints that may be lost; at this pace every waiting job is looked up whatever was announced.
POLL_SECONDS = 2.0
RECONNECT_SECONDS = 0.5

log = structlog.get_logger()


class WaitingRoom:
    """All waiting calls of a process, served by one listener and one reader of the ledger."""

    def __init__(self, database: Database, notifier: Notifier) -> None:
        self._database = database
        self._notifier = notifier
        self.seats = Seats()
        self.replays = Replays(database, self.seats)
        self.receipts = Receipts(database)
        self._heard: SimpleQueue[UUID | None] = SimpleQueue()
        self._poll_due = 0.0
        self._hangups: Hangups[Seat] = Hangups()
        self._leaving: deque[Seat] = deque()
        self._writing = Lock()
        # The process was told to end: no new calls should come, and yet they are served.
        self.closes_soon = False
        self.closing = Event()

    def open(self) -> None:
        self.receipts.open()
        for target in (self._listen, self._read, self._watch):
            Thread(target=target, name=f"waiting{target.__name__}", daemon=True).start()

    def close(self) -> None:
        """End all waits, now and from now on: the process is about to."""
        self.closing.set()
        for seat in self.seats.of(*self.seats.jobs()):
            seat.end(Parting.CLOSING)

    @contextmanager
    def seat(self, job_id: UUID, call: Call) -> Iterator[Seat]:
        """A seat for a job that is about to be recorded: taken before, so that no announcement is missed."""
        seat = Seat(job_id, call)
        self.seats.take(seat)
        try:
            yield seat
        finally:
            self.seats.give_up(seat)
            self.seats.sit_down(seat)

    def move(self, seat: Seat, job_id: UUID) -> None:
        """Have a call wait for a job that was there before it, and may be settled already."""
        self.seats.give_up(seat)
        seat.job_id = job_id
        self.seats.take(seat)
        self._heard.put(job_id)

    def wait(self, seat: Seat, seconds: float, line: socket | None) -> Result | Parting:
        """Until its job is settled, its caller hangs up at the other end of `line`, or the process closes."""
        self.seats.sit_down(seat)
        if self.closing.is_set():
            return Parting.CLOSING
        with self._hangups.watch(line, seat):
            return seat.wait(seconds)

    def leave(self, seat: Seat) -> None:
        """Put on record that a caller has gone, or is about to be sent away, without an answer.

        Before the answer that sends it away, or its retry may come first. Many that leave at once are written at
        once: by the first, and what came meanwhile by the next.
        """
        self._leaving.append(seat)
        with self._writing:
            if leaving := [self._leaving.popleft() for _ in range(len(self._leaving))]:
                self._write_off(leaving)

    def _write_off(self, seats: list[Seat]) -> None:
        try:
            with self._database.single() as session:
                waiting_calls.leave(session, [(seat.job_id, seat.call.retry_count or 0) for seat in seats])
        except SQLAlchemyError as error:  # the retry finds the job all the same, after those of known leavers
            log.warning("waiting.unrecorded", error=str(error).partition("\n")[0])

    def _watch(self) -> None:
        while True:
            for seat in self._hangups.next():
                seat.end(Parting.HUNG_UP)

    def _listen(self) -> None:
        while True:
            try:
                for heard in self._notifier.listen():
                    if heard is None or heard in self.seats:
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
            return [job_id for job_id in heard if job_id and job_id in self.seats]
        self._poll_due = time.monotonic() + POLL_SECONDS
        return self.seats.jobs()

    def _serve(self, job_ids: list[UUID]) -> None:
        if not job_ids:
            return
        with self._database.single() as session:
            found = results.of_jobs(session, job_ids)
        for job_id, result in found.items():
            for seat in self.seats.of(job_id):
                seat.end(result)
