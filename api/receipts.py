"""Notes down what callers got, and writes it to the ledger once a second: no answer waits for that."""

import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from threading import Lock, Thread
from typing import TypeVar
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from core import receipts
from core.database import Database

WRITE_SECONDS = 1.0
# While Postgres is away they are kept, up to so many of each kind.
MOST = 100_000

Key = TypeVar("Key", UUID, str)

log = structlog.get_logger()


class Receipts:
    """Of a process. A crash loses those of its last second: such jobs look as if their callers had gone."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._delivered: dict[UUID, float] = {}
        self._fetched: dict[str, float] = {}
        self._changing = Lock()
        self._writing = False

    def deliver(self, job_id: UUID, *names: str) -> None:
        """The answer of a call that waited for this job has left, with the pictures of these names in it."""
        self._note(self._delivered, job_id)
        for name in names:
            self._note(self._fetched, name)

    def fetch(self, name: str) -> None:
        """The picture of this name was served."""
        self._note(self._fetched, name)

    def flush(self) -> None:
        """Write down what is noted."""
        with self._changing:
            delivered, self._delivered = self._delivered, {}
            fetched, self._fetched = self._fetched, {}
        try:
            with self._database.single() as session:
                _write(session, receipts.deliver, delivered)
                _write(session, receipts.fetch, fetched)
        except SQLAlchemyError as error:
            log.warning("receipts.unwritten", error=str(error).partition("\n")[0])
            with self._changing:
                self._delivered = {**self._delivered, **delivered}
                self._fetched = {**self._fetched, **fetched}

    def _note(self, noted: dict[Key, float], key: Key) -> None:
        with self._changing:
            if len(noted) < MOST:
                noted.setdefault(key, time.monotonic())
            begins, self._writing = not self._writing, True
        if begins:
            Thread(target=self._write_on, name="receipts", daemon=True).start()

    def _write_on(self) -> None:
        """As long as there is something; the next one begins anew."""
        while self._is_wanted():
            time.sleep(WRITE_SECONDS)
            self.flush()

    def _is_wanted(self) -> bool:
        with self._changing:
            self._writing = bool(self._delivered or self._fetched)
            return self._writing


def _write(
    session: Session, record: Callable[[Session, Mapping[Key, timedelta]], None], noted: Mapping[Key, float]
) -> None:
    if noted:
        now = time.monotonic()
        record(session, {key: timedelta(seconds=now - at) for key, at in sorted(noted.items())})
