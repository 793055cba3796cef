"""Says for the jobs that a worker process is at work on that it is alive, so that nobody else takes them over."""

from collections.abc import Callable, Collection
from threading import Event, Thread
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError

from core import ledger
from core.database import Database

BEAT_SECONDS = ledger.LEASE.total_seconds() / 4

log = structlog.get_logger()


def start(database_url: str, worker: str, running: Callable[[], Collection[UUID]]) -> None:
    """Beat until the process ends. What `running` no longer names loses its lease, whatever its state says."""
    # A connection of its own: a beat must not queue behind hundreds of jobs that settle at once.
    database = Database(database_url, connections=1)
    Thread(target=_beat, args=(database, worker, running), name="heartbeat", daemon=True).start()


def _beat(database: Database, worker: str, running: Callable[[], Collection[UUID]]) -> None:
    pause = Event()
    while not pause.wait(BEAT_SECONDS):
        job_ids = running()
        if not job_ids:
            continue
        try:
            with database.transaction() as session:
                ledger.extend_leases(session, worker, job_ids)
        except SQLAlchemyError as error:
            log.warning("heartbeat.missed", error=str(error).partition("\n")[0])
