"""Says that a worker process is there, so that nobody takes its jobs over; and hears what is wanted of it."""

import os
import resource
import sys
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError

from core import fleet, ledger
from core.database import Database
from core.fleet import Load, Orders, Process

BEAT_SECONDS = ledger.LEASE.total_seconds() / 4

log = structlog.get_logger()


class Heartbeat:
    """Beats in a thread of its own until the process ends.

    What `running` no longer names loses its lease, whatever its state says; `done` counts what the process has
    worked off; `obey` is given the orders that each beat brings back.
    """

    def __init__(
        self,
        database: Database,
        process: Process,
        *,
        running: Callable[[], Collection[UUID]],
        done: Callable[[], int],
        obey: Callable[[Orders], None],
    ) -> None:
        """The `database` is for beats alone: they must not queue behind hundreds of jobs that settle at once."""
        self._database = database
        self._process = process
        self._running = running
        self._done = done
        self._obey = obey
        self._stopping = False
        self._now = Event()

    def start(self) -> None:
        Thread(target=self._beat_on, name="heartbeat", daemon=True).start()

    def tell_of_end(self) -> None:
        """Say at once that the process was told to end; it goes on beating until it has."""
        self._stopping = True
        self._now.set()

    def _beat_on(self) -> None:
        while True:
            try:
                self._obey(self.beat())
            except SQLAlchemyError as error:
                log.warning("heartbeat.missed", error=str(error).partition("\n")[0])
            self._now.wait(BEAT_SECONDS)
            self._now.clear()

    def beat(self) -> Orders:
        """Beat once. Raises SQLAlchemyError."""
        job_ids = self._running()
        load = Load(running=len(job_ids), jobs_done=self._done(), rss=resident_bytes(), stopping=self._stopping)
        with self._database.transaction() as session:
            if job_ids:
                ledger.extend_leases(session, self._process.name, job_ids)
            return fleet.beat(session, self._process, load)


def resident_bytes() -> int:
    """The memory of this process; the most that it ever had where the system tells no more."""
    with suppress(OSError):
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
