"""Says that a worker process is there, so that nobody takes its jobs over; and hears what is wanted of it."""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import timedelta
from threading import Event, Thread
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError

from core import fleet, ledger, processes
from core.database import Database
from core.fleet import Allowance, Load, Orders, Process
from workers.providers.allowances import Told

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Report:
    """The jobs that a worker process is at, how many it has worked off, and what its provider `told` last."""

    running: Collection[UUID]
    done: int
    told: Told | None


class Heartbeat:
    """Beats in a thread of its own until the process ends.

    What its `report` no longer names as running loses its lease, whatever its state says; `obey` is given the
    orders that each beat brings back.
    """

    def __init__(
        self,
        database: Database,
        process: Process,
        *,
        report: Callable[[], Report],
        obey: Callable[[Orders], None],
    ) -> None:
        """The `database` is for beats alone: they must not queue behind hundreds of jobs that settle at once."""
        self._database = database
        self._process = process
        self._report = report
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
            self._now.wait(fleet.BEAT_SECONDS)
            self._now.clear()

    def beat(self) -> Orders:
        """Beat once. Raises SQLAlchemyError."""
        report = self._report()
        load = Load(
            rss=processes.resident_bytes(),
            stopping=self._stopping,
            running=len(report.running),
            jobs_done=report.done,
            allowance=_allowance(report.told),
        )
        with self._database.transaction() as session:
            if report.running:
                ledger.extend_leases(session, self._process.name, report.running)
            return fleet.beat(session, self._process, load)


def _allowance(told: Told | None) -> Allowance | None:
    if told is None:
        return None
    age = time.monotonic() - told.at
    reset = timedelta(seconds=told.reset_seconds - age)
    return Allowance(told.most, told.left, reset=reset, age=timedelta(seconds=age))
