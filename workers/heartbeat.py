"""Says for all jobs of a worker process that it is alive, so that nobody else takes them over."""

from threading import Event, Thread

import structlog
from sqlalchemy.exc import SQLAlchemyError

from core import ledger
from core.database import Database

BEAT_SECONDS = ledger.LEASE.total_seconds() / 4

log = structlog.get_logger()


def start(database: Database, worker: str) -> None:
    Thread(target=_beat, args=(database, worker, Event()), name="heartbeat", daemon=True).start()


def _beat(database: Database, worker: str, stop: Event) -> None:
    while not stop.wait(BEAT_SECONDS):
        try:
            with database.transaction() as session:
                ledger.extend_leases(session, worker)
        except SQLAlchemyError as error:
            log.warning("heartbeat.missed", error=str(error).partition("\n")[0])
