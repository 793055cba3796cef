"""Notes down what callers got, and writes it to the ledger once a second: no answer waits for that."""

import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import timedelta
from threading import Thread
from typing import TypeVar
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from core import receipts
from core.database import Database

WRITE_SECONDS = 1.0
# While Postgres is away the newest of each kind are kept.
MOST = 100_000

Key = TypeVar("Key", UUID, str)

log = structlog.get_logger()


class Receipts:
    """Of a process. A crash loses those of its last second: such jobs look as if their callers had gone."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._delivered: deque[tuple[UUID, float]] = deque(maxlen=MOST)
        self._fetched: deque[tuple[str, float]] = deque(maxlen=MOST)

    def open(self) -> None:
        Thread(target=self._keep_writing, name="receipts", daemon=True).start()

    def deliver(self, job_id: UUID) -> None:
        """The answer of a call that waited for this job has left."""
        self._delivered.append((job_id, time.monotonic()))

    def fetch(self, name: str) -> None:
        """Somebody was given the bytes of this picture."""
        self._fetched.append((name, time.monotonic()))

    def flush(self) -> None:
        """Write down what is noted; what cannot be written stays noted."""
        if not self._delivered and not self._fetched:
            return
        try:
            with self._database.single() as session:
                _write(session, receipts.deliver, self._delivered)
                _write(session, receipts.fetch, self._fetched)
        except SQLAlchemyError as error:
            log.warning("receipts.unwritten", error=str(error).partition("\n")[0])

    def _keep_writing(self) -> None:
        while True:
            time.sleep(WRITE_SECONDS)
            self.flush()


def _write(
    session: Session,
    record: Callable[[Session, Mapping[Key, timedelta]], None],
    noted: deque[tuple[Key, float]],
) -> None:
    taken = [noted.popleft() for _ in range(len(noted))]
    if not taken:
        return
    now, first = time.monotonic(), dict(reversed(taken))
    try:
        record(session, {key: timedelta(seconds=now - at) for key, at in sorted(first.items())})
    except SQLAlchemyError:
        room = MOST - len(noted)  # for the newest of them: what came meanwhile is newer still
        noted.extendleft(reversed(taken[-room:] if room else []))
        raise
