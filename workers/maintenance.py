"""The scheduler process: does its duties, tells events, and has operators' operations done."""

import signal
import time
from collections.abc import Callable, Mapping
from threading import Event, Thread
from typing import Protocol

import structlog

from core import admission, fleet, logs, states
from core.bootstrap import Services, assemble
from core.database import Database
from core.processes import Presence
from core.settings import Settings
from workers import duties
from workers.deliveries import Deliverer
from workers.duties import Duty
from workers.operations import Operator
from workers.targets import Targets

TICK_SECONDS = 0.5
# Of the deliverer alone: no duty waits behind receivers that all answer at once.
CONNECTIONS = 4
PARTING_SECONDS = 3.0

log = structlog.get_logger()


class Part(Protocol):
    """What goes on beside the duties of the ledger. `is_at_work` is False once a bug has ended it."""

    @property
    def is_at_work(self) -> bool: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...


def run(settings: Settings) -> None:
    """Do every duty at its pace until SIGTERM or SIGINT. Raises SystemExit where a part dies before."""
    logs.configure()
    services = assemble(settings)
    stop = Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signal_number, lambda *_: stop.set())
    register(services)
    telling = Database(settings.database_url, connections=CONNECTIONS)
    parts: dict[str, Part] = {
        "deliverer": Deliverer(telling, Targets(settings.webhook_hosts)),
        "operator": Operator(services),
        "sweeper": Sweeper(services),
    }
    for part in parts.values():
        part.start()
    log.info("scheduler.ready")

    def dead() -> list[str]:
        return [name for name, part in parts.items() if not part.is_at_work]

    presence = Presence(services.database, states.Part.SCHEDULER)
    paces = {_saying(presence): fleet.BEAT_SECONDS, **duties.OF_THE_LEDGER}
    work(services, paces, lambda: stop.wait(TICK_SECONDS) or bool(dead()))
    died = dead()
    for part in parts.values():
        part.stop()
    presence.end()
    services.close()
    for name in died:  # of a bug, whose traceback is on standard error: the next process has it again
        log.error("part.died", part=name)
    if died:
        raise SystemExit(1)


def _saying(presence: Presence) -> Duty:
    """A duty like the others: nobody who is stuck in one of them says that all is well."""

    def beat(_: Services) -> None:
        presence.beat()

    return beat


def work(services: Services, paces: Mapping[Duty, float], is_over: Callable[[], bool]) -> None:
    """Do each duty at its pace, one after the other."""
    due = dict.fromkeys(paces, 0.0)
    while not is_over():
        for duty, seconds in paces.items():
            if time.monotonic() >= due[duty]:
                due[duty] = time.monotonic() + seconds
                duties.attend(duty, services)


class Sweeper:
    """Does the duties of the store in a thread of its own: nothing else waits while the store does not answer."""

    def __init__(self, services: Services) -> None:
        self._stopping = Event()
        given = (services, duties.OF_THE_STORE, lambda: self._stopping.wait(TICK_SECONDS))
        self._loop = Thread(target=work, args=given, name="sweeper", daemon=True)

    @property
    def is_at_work(self) -> bool:
        return self._loop.is_alive()

    def start(self) -> None:
        self._loop.start()

    def stop(self) -> None:
        """Begin nothing new. What it is at is begun again by the next process."""
        self._stopping.set()
        self._loop.join(PARTING_SECONDS)


def register(services: Services) -> None:
    """Give each provider of the catalog its row."""
    with services.database.transaction() as session:
        for provider in services.catalog.providers:
            entry = services.catalog.provider(provider)
            assert entry  # the catalog names no others
            admission.register(session, provider, slots=entry.slots)
