"""The operator's hand: does operations on many jobs, beside the scheduler's duties and never in their way.

What it takes up is leased in the ledger: that of one that dies is taken on from where it was.
"""

import time
from collections.abc import Collection
from threading import Event, Thread

import structlog
from kombu.exceptions import OperationalError as BrokerDown

from core.bootstrap import Services
from core.database import UNAVAILABLE
from core.errors import StoreUnavailable
from core.operations import exports, orders, portions
from core.operations.deeds import DEEDS, Done
from core.orm import Operation
from core.states import OperationKind, OperationState

TICK_SECONDS = 1.0
# Parts that are away: what they interrupt is taken up again.
AWAY = (*UNAVAILABLE, BrokerDown, OSError, StoreUnavailable)
PARTING_SECONDS = 3.0
# An export may take minutes: what is urgent does not wait behind it.
HANDS = (tuple(DEEDS), (OperationKind.EXPORT,))

log = structlog.get_logger()


class Operator:
    """One a process; one operation at a time, and one export beside it."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._stopping = Event()
        self._hands = [Thread(target=self._run, args=(kinds,), name="operator", daemon=True) for kinds in HANDS]

    def start(self) -> None:
        for hand in self._hands:
            hand.start()

    @property
    def is_at_work(self) -> bool:
        """False once it has been stopped, or a bug has ended it."""
        return all(hand.is_alive() for hand in self._hands)

    def stop(self) -> None:
        """Go no further. What is left is taken up once its lease is over."""
        self._stopping.set()
        deadline = time.monotonic() + PARTING_SECONDS
        for hand in self._hands:
            hand.join(max(0.0, deadline - time.monotonic()))

    def _run(self, kinds: Collection[OperationKind]) -> None:
        while not self._stopping.wait(TICK_SECONDS):
            try:
                while not self._stopping.is_set() and self.work(kinds):
                    pass
            except AWAY as error:
                log.warning("operation.interrupted", error=str(error).partition("\n")[0])

    def work(self, kinds: Collection[OperationKind] = tuple(OperationKind)) -> bool:
        """Do what one operation of these kinds has to do. False where there is none."""
        with self._services.database.transaction() as session:
            operation = portions.take(session, kinds)
        if operation is None:
            return False
        log.info("operation.taken", operation=str(operation.id), kind=operation.kind)
        try:
            self._do(operation)
        except AWAY:
            raise
        except Exception as error:  # a bug ends its operation, not those that come after it
            log.exception("operation.crashed", operation=str(operation.id))
            with self._services.database.transaction() as session:
                told = f"{type(error).__name__}: the scheduler's log has more"
                orders.end(session, Operation.id == operation.id, state=OperationState.FAILED, error=told)
        return True

    def _do(self, operation: Operation) -> None:
        if operation.kind is OperationKind.EXPORT:
            exports.export(self._services.database, self._services.storage, operation, goes_on=self._goes_on)
        else:
            while self._goes_on() and self._advance(operation):
                pass

    def _goes_on(self) -> bool:
        return not self._stopping.is_set()

    def _advance(self, operation: Operation) -> bool:
        """Do a portion; whether another one follows."""
        with self._services.database.transaction() as session:
            portion = portions.next_portion(session, operation)
        with self._services.database.transaction() as session:
            done = portions.advance(session, self._services.catalog, operation, portion)
        if done is None:
            return False
        self._tell(done)
        operation.position = portion.last
        return portion.last is not None

    def _tell(self, done: Done) -> None:
        for job_id in done.settled:
            self._services.notifier.announce(job_id)
        for provider in done.providers:
            self._services.intake.start_due(provider)
