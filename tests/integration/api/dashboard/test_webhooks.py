"""/ops/webhooks: who is told of events, and how it went."""

from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
from sqlalchemy import insert, select

from core import webhooks
from core.bootstrap import Services
from core.orm import AuditEntry, Delivery, Webhook
from core.states import DeliveryState
from tests.integration.api.dashboard.conftest import Visitor
from tests.integration.api.lives import Owner

MARKUP = 'javascript:alert(1)//"><img src=x onerror=alert(1)>'


@pytest.fixture
def webhook_id(services: Services, owner: Owner) -> UUID:
    return register(services, owner)


def register(services: Services, owner: Owner, url: str = "https://receiver.example/hook") -> UUID:
    with services.database.transaction() as session:
        return webhooks.create(session, owner.key_id, url=url, events=[]).id


def webhook_of(services: Services, webhook_id: UUID) -> Webhook:
    with services.database.transaction() as session:
        return session.get_one(Webhook, webhook_id)


def give_up(services: Services, owner: Owner, webhook_id: UUID) -> UUID:
    """An event that could not be told."""
    event = {"key_id": owner.key_id, "webhook_id": webhook_id, "url": "https://receiver", "event": "job.failed"}
    with services.database.transaction() as session:
        given_up = insert(Delivery).values(**event, state=DeliveryState.FAILED).returning(Delivery.id)
        return session.execute(given_up).scalar_one()


def test_a_webhook_is_pinged(
    services: Services, webhook_id: UUID, operator: Visitor, last_entry: Callable[[], AuditEntry]
) -> None:
    operator.post(f"/ops/webhooks/{webhook_id}/ping")

    assert (last_entry().action, last_entry().subject) == ("webhook.ping", f"webhook {webhook_id}")
    with services.database.transaction() as session:
        told = session.scalars(select(Delivery.event).where(Delivery.webhook_id == webhook_id)).all()
    assert told == ["webhook.ping"]
    assert "webhook.ping pending" in operator.get(f"/ops/webhooks?webhook={webhook_id}")


def test_a_webhook_is_disabled_and_enabled(
    services: Services, webhook_id: UUID, operator: Visitor, last_entry: Callable[[], AuditEntry]
) -> None:
    operator.post(f"/ops/webhooks/{webhook_id}/disable", {"why": "it is gone"})
    disabled, entry = webhook_of(services, webhook_id).disabled_at, last_entry()
    operator.post(f"/ops/webhooks/{webhook_id}/enable")

    assert disabled
    assert (entry.actor, entry.action, entry.why) == (operator.name, "webhook.disable", "it is gone")
    assert webhook_of(services, webhook_id).disabled_at is None
    assert last_entry().action == "webhook.enable"


def test_what_was_given_up_is_told_again(
    services: Services, owner: Owner, operator: Visitor, last_entry: Callable[[], AuditEntry]
) -> None:
    webhook_id = register(services, owner)
    delivery_id = give_up(services, owner, webhook_id)
    assert "job.failed failed" in operator.get(f"/ops/webhooks?state=failed&webhook={webhook_id}")

    operator.post(f"/ops/deliveries/{delivery_id}")

    assert (last_entry().action, last_entry().subject) == ("delivery.redeliver", f"delivery {delivery_id}")
    assert "job.failed pending" in operator.get(f"/ops/webhooks?webhook={webhook_id}")


def test_an_address_that_is_a_script_leads_nowhere(services: Services, owner: Owner, viewer: Visitor) -> None:
    give_up(services, owner, register(services, owner, MARKUP))

    page = viewer.client.get("/ops/webhooks")

    assert 'href="javascript' not in page.text
    assert "<img src=x" not in page.text
    assert MARKUP in viewer.get("/ops/webhooks")


def test_from_whom_prompts_are_hidden_reads_only_which_host_is_told(
    services: Services, owner: Owner, uninitiated: Visitor
) -> None:
    give_up(services, owner, register(services, owner, "https://told.example/secret?token=secret"))

    page = uninitiated.client.get("/ops/webhooks").text

    assert "https://told.example<" in page
    assert "secret" not in page


def test_viewers_cannot_act(services: Services, owner: Owner, webhook_id: UUID, viewer: Visitor) -> None:
    paths = [f"webhooks/{webhook_id}/{deed}" for deed in ("ping", "disable", "enable")]
    paths += [f"deliveries/{give_up(services, owner, webhook_id)}"]

    assert [viewer.post(f"/ops/{path}").status_code for path in paths] == [403] * 4
    assert webhook_of(services, webhook_id).disabled_at is None


def test_what_is_not_there_is_not_found(operator: Visitor) -> None:
    paths = [f"webhooks/{uuid4()}/{deed}" for deed in ("ping", "disable", "enable")] + [f"deliveries/{uuid4()}"]

    assert [operator.post(f"/ops/{path}").status_code for path in paths] == [404] * 4


@pytest.mark.parametrize("query", ["state=melted", "webhook=mine"])
def test_what_cannot_be_looked_for_is_refused(viewer: Visitor, query: str) -> None:
    assert viewer.client.get(f"/ops/webhooks?{query}").status_code == 400
