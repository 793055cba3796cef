"""Events of real jobs, a deliverer that tells them, and what came of it."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

from core import delivery_reports, hosts, ledger, webhooks
from core.bootstrap import Services
from core.database import Database
from core.delivery_reports import History, Search
from core.keys import Caller
from core.orm import Webhook
from tests import builders
from tests.stack import until
from workers.deliveries import Deliverer
from workers.targets import Targets

SOON = (timedelta(milliseconds=1),) * 3
LATER = (timedelta(hours=1),)
LOOPBACK = hosts.allowed("127.0.0.1")
WITHIN = 20


@contextmanager
def delivering(services: Services, schedule: Sequence[timedelta] = SOON, **changes: Any) -> Iterator[Deliverer]:
    """A deliverer at work, with threads and connections of its own, and changes in how it connects."""
    with closing(Database(services.settings.database_url, connections=4)) as database:
        targets = Targets(**{"allowed": LOOPBACK, "whole": 5.0, **changes})
        deliverer = Deliverer(database, targets, schedule=schedule)
        deliverer.start()
        yield deliverer
        deliverer.stop()


def register(services: Services, caller: Caller, url: str, *events: str) -> Webhook:
    with services.database.transaction() as session:
        return webhooks.create(session, caller.key_id, url=url, events=events)


def end_a_job(services: Services, caller: Caller, **changes: Any) -> UUID:
    """Cancelled, which takes no worker."""
    job_id = builders.queue(services, caller, **changes)
    with services.database.transaction() as session:
        assert ledger.cancel(session, job_id)
    return job_id


def ping(services: Services, webhook: Webhook) -> UUID:
    with services.database.transaction() as session:
        return webhooks.ping(session, webhook).id


def history(services: Services, caller: Caller) -> list[History]:
    """The oldest first."""
    with services.database.transaction() as session:
        return delivery_reports.page(session, caller.key_id, Search(limit=100))[::-1]


def until_ended(services: Services, caller: Caller) -> list[History]:
    def ended() -> bool:
        return all(each.delivery.ended_at for each in history(services, caller))

    until(ended, "all is told or given up", within=WITHIN)
    return history(services, caller)


def until_tried(services: Services, caller: Caller) -> History:
    until(lambda: history(services, caller)[0].tries, "a try", within=WITHIN)
    return history(services, caller)[0]


def webhook_of(services: Services, webhook: Webhook) -> Webhook:
    with services.database.transaction() as session:
        return session.get_one(Webhook, webhook.id)


def disable(services: Services, caller: Caller, webhook: Webhook) -> None:
    with services.database.transaction() as session:
        assert webhooks.change(session, caller.key_id, webhook.id, {}, enabled=False)
