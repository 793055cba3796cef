"""The clerk process: reads files of batches into jobs, and writes what came of them into files.

What it does is on the ledger step by step, so that another one goes on where one was killed; of several, one at a
time sees to a batch.
"""

import gc
import signal
import time
from collections.abc import Collection
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from threading import Event

import structlog

from api.batches.handling import Handling, Stopping
from core import fleet, logs
from core.batches import progress
from core.batches.lines import Overtaken
from core.bootstrap import Services, assemble
from core.database import UNAVAILABLE
from core.errors import StoreUnavailable
from core.processes import Presence
from core.settings import Settings
from core.states import Part

# Batches that one process is at work on at once; a small one need not wait for a large one.
HANDS = 4
TICK_SECONDS = 0.5
# A batch that could not be gone on with is left alone for so long.
REST_SECONDS = 5.0

log = structlog.get_logger()


def run(settings: Settings) -> None:
    """See to batches until SIGTERM or SIGINT."""
    logs.configure()
    services = assemble(settings)
    stop = Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signal_number, lambda *_: stop.set())
    clerk = Clerk(services, stop)
    gc.freeze()  # lines come by the ten thousand: what is here to stay need not be looked through for each lot
    presence = Presence(services.database, Part.CLERK, concurrency=HANDS)
    with ThreadPoolExecutor(HANDS) as hands:
        working = [hands.submit(clerk.work) for _ in range(HANDS)]
        log.info("clerk.ready")
        ended: Collection[Future[None]] = ()
        while not ended:
            presence.beat()
            ended, _ = wait(working, timeout=fleet.BEAT_SECONDS, return_when=FIRST_COMPLETED)
        stop.set()  # a hand that failed ends the process, which is started again
    presence.end()
    services.close()
    for each in ended:
        each.result()


class Clerk:
    """Sees to one batch after the other; several threads may at once."""

    def __init__(self, services: Services, stop: Event) -> None:
        self._services = services
        self._stop = stop
        self._handling = Handling(services, stop)
        self._resting: dict[str, float] = {}

    def work(self) -> None:
        while not self._stop.wait(TICK_SECONDS):
            try:
                self.look()
            except UNAVAILABLE as error:
                log.warning("clerk.failed", error=_summary(error))

    def look(self) -> None:
        """See to every batch with which something is to be done, and that nobody else sees to."""
        with self._services.database.single() as session:
            found = progress.to_do(session)
        for batch_id in found:
            if self._stop.is_set():
                return
            if self._resting.get(batch_id, 0.0) <= time.monotonic():
                self._see_to(batch_id)

    def _see_to(self, batch_id: str) -> None:
        try:
            with progress.claim(self._services.database, batch_id) as mine:
                if mine:
                    self._go_on(batch_id)
        except (Stopping, Overtaken):
            log.info("batch.left", batch_id=batch_id)
        except (*UNAVAILABLE, StoreUnavailable) as error:
            log.warning("batch.put_off", batch_id=batch_id, error=_summary(error))
            self._rest_from(batch_id)

    def _go_on(self, batch_id: str) -> None:
        try:
            self._handling.go_on(batch_id)
        except (Stopping, Overtaken, *UNAVAILABLE, StoreUnavailable):
            raise
        except Exception:  # a bug that one batch brings out must not keep all others waiting: ADR 0015
            log.exception("batch.stuck", batch_id=batch_id)
            self._rest_from(batch_id)
            self._handling.give_up(batch_id)

    def _rest_from(self, batch_id: str) -> None:
        self._resting[batch_id] = time.monotonic() + REST_SECONDS


def _summary(error: Exception) -> str:
    return str(error).partition("\n")[0]
