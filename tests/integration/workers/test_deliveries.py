"""Events of real jobs on their way to a real receiver."""

from datetime import timedelta

import pytest
from sqlalchemy import update
from standardwebhooks.webhooks import WebhookVerificationError

from core import deliveries, ledger, webhooks
from core.bootstrap import Services
from core.keys import Caller
from core.orm import Webhook
from core.states import DeliveryState
from tests import builders
from tests.integration.workers.telling import (
    LATER,
    delivering,
    disable,
    end_a_job,
    history,
    ping,
    register,
    until_ended,
    until_tried,
    webhook_of,
)
from tests.receiver import Answer, Receiver


@pytest.fixture
def caller(services: Services) -> Caller:
    return builders.make_caller(services)[1]


def test_the_end_of_a_job_is_told_signed(services: Services, caller: Caller) -> None:
    with Receiver() as receiver, delivering(services):
        webhook = register(services, caller, receiver.url)
        job_id = end_a_job(services, caller)
        [told] = until_ended(services, caller)

    [got] = receiver.got
    event = got.verified(webhook.secret)
    assert event["type"] == "image.generation.job.cancelled"
    assert event["data"] == {"id": str(job_id), "object": "image.generation.job", "status": "cancelled"}
    assert got.headers["content-type"] == "application/json"
    assert (told.delivery.state, told.tries[0].status, told.tries[0].fault) == ("delivered", 204, None)
    assert got.name == deliveries.message_id(told.delivery.id)
    with pytest.raises(WebhookVerificationError):
        got.verified(webhooks.secret_of_key(b"of another"))


def test_an_address_of_the_request_itself_is_told_and_signed_for_its_key(
    services: Services, caller: Caller
) -> None:
    with Receiver() as receiver, delivering(services):
        job_id = end_a_job(services, caller, webhook_url=receiver.url)
        until_ended(services, caller)

    with services.database.transaction() as session:
        secret = webhooks.secret_for(session, caller.key_id)
    [got] = receiver.got
    assert got.verified(secret)["data"]["id"] == str(job_id)


def test_only_events_that_are_listened_to_are_told(services: Services, caller: Caller) -> None:
    with Receiver() as deaf, Receiver() as listening, delivering(services):
        register(services, caller, deaf.url, "image.generation.job.failed", "batch.completed")
        register(services, caller, listening.url, "image.generation.job.cancelled")
        register(services, builders.make_caller(services)[1], deaf.url)
        end_a_job(services, caller)
        until_ended(services, caller)

    assert (len(deaf.got), len(listening.got)) == (0, 1)


def test_every_try_is_of_the_same_event(services: Services, caller: Caller) -> None:
    with Receiver(500, 503) as receiver, delivering(services):
        webhook = register(services, caller, receiver.url)
        end_a_job(services, caller)
        [told] = until_ended(services, caller)

    assert len({got.name for got in receiver.got}) == 1
    assert len({got.body for got in receiver.got}) == 1
    assert all(got.verified(webhook.secret) for got in receiver.got)
    assert [(each.status, each.fault) for each in told.tries] == [
        (500, "not taken"),
        (503, "not taken"),
        (204, None),
    ]


def test_after_the_last_try_an_event_is_given_up(services: Services, caller: Caller) -> None:
    with Receiver(*[500] * 9) as receiver, delivering(services):
        register(services, caller, receiver.url)
        end_a_job(services, caller)
        [given_up] = until_ended(services, caller)

    assert (given_up.delivery.state, len(given_up.tries), len(receiver.got)) == ("failed", 4, 4)


def test_a_receiver_that_asks_for_time_gets_it(services: Services, caller: Caller) -> None:
    busy = Answer(429, {"retry-after": "3600"})
    with Receiver(busy) as receiver, delivering(services):
        register(services, caller, receiver.url)
        end_a_job(services, caller)
        waiting = until_tried(services, caller)

    delay = waiting.delivery.due_at - waiting.tries[0].at
    assert timedelta(minutes=59) < delay < timedelta(minutes=61)
    assert waiting.delivery.state is DeliveryState.PENDING


def test_a_redirect_is_reported_and_not_followed(services: Services, caller: Caller) -> None:
    moved = Answer(301, {"location": "http://127.0.0.1:1/"})
    with Receiver(moved) as receiver, delivering(services, schedule=()):
        register(services, caller, receiver.url)
        end_a_job(services, caller)
        [given_up] = until_ended(services, caller)

    [tried] = given_up.tries
    assert (tried.status, tried.fault) == (301, "redirected to http://127.0.0.1:1/; not followed")


def test_a_receiver_that_is_gone_is_told_nothing_any_more(services: Services, caller: Caller) -> None:
    with Receiver(410) as receiver, delivering(services):
        webhook = register(services, caller, receiver.url)
        end_a_job(services, caller)
        until_ended(services, caller)
        end_a_job(services, caller)

    assert webhook_of(services, webhook).disabled_at
    assert [told.delivery.state for told in history(services, caller)] == ["failed"]
    assert len(receiver.got) == 1


def test_the_last_word_of_an_old_address_does_not_disable_a_webhook_that_has_moved(
    services: Services, caller: Caller
) -> None:
    webhook = register(services, caller, "http://127.0.0.1:1/old")
    ping(services, webhook)
    with services.database.transaction() as session:
        [claim] = deliveries.claim(session, most=1)
        webhooks.change(session, caller.key_id, webhook.id, {"url": "http://127.0.0.1:1/new"})
    with services.database.transaction() as session:
        deliveries.give_up(session, claim, deliveries.Outcome(0.1, 410, "gone"), gone=True)

    assert webhook_of(services, webhook).disabled_at is None
    assert [told.delivery.state for told in history(services, caller)] == ["failed"]


def test_for_a_while_after_a_rotation_both_secrets_sign(services: Services, caller: Caller) -> None:
    with Receiver() as receiver:
        old = register(services, caller, receiver.url)
        with services.database.transaction() as session:
            new = webhooks.rotate(session, caller.key_id, old.id, overlap=timedelta(hours=1))
        assert new
        with delivering(services):
            ping(services, new)
            until_ended(services, caller)
            with services.database.transaction() as session:
                session.execute(update(Webhook).values(old_secret_until=Webhook.created_at))
            ping(services, new)
            until_ended(services, caller)

    during, after = receiver.got
    assert during.verified(old.secret) == during.verified(new.secret)
    assert len(during.headers["webhook-signature"].split()) == 2
    assert after.verified(new.secret)["type"] == "webhook.ping"
    with pytest.raises(WebhookVerificationError):
        after.verified(old.secret)


def test_an_event_is_told_again_under_its_old_name(services: Services, caller: Caller) -> None:
    with Receiver(500) as receiver, delivering(services, schedule=()):
        register(services, caller, receiver.url)
        end_a_job(services, caller)
        [given_up] = until_ended(services, caller)
        with services.database.transaction() as session:
            deliveries.redeliver(session, given_up.delivery.id)
        [told] = until_ended(services, caller)

    assert [each.status for each in told.tries] == [500, 204]
    assert told.delivery.state is DeliveryState.DELIVERED
    assert len({got.name for got in receiver.got}) == 1


def test_a_webhook_that_has_moved_is_told_what_is_still_due_where_it_is_now(
    services: Services, caller: Caller
) -> None:
    with Receiver() as receiver:
        webhook = register(services, caller, "http://127.0.0.1:1/")
        end_a_job(services, caller)
        with services.database.transaction() as session:
            webhooks.change(session, caller.key_id, webhook.id, {"url": receiver.url})
        with delivering(services):
            [told] = until_ended(services, caller)

    assert (told.delivery.url, len(receiver.got)) == (receiver.url, 1)


def test_what_is_due_to_a_deleted_webhook_is_not_told(services: Services, caller: Caller) -> None:
    with Receiver() as receiver:
        webhook = register(services, caller, receiver.url)
        ping(services, webhook)
        with services.database.transaction() as session:
            assert webhooks.delete(session, caller.key_id, webhook.id)
        ping(services, webhook)  # as by a job that settles in the same moment
        with delivering(services):
            told = until_ended(services, caller)

    assert [each.delivery.state for each in told] == ["failed", "failed"]
    assert receiver.got == []


def test_what_settles_while_its_webhook_is_being_disabled_is_not_told(services: Services, caller: Caller) -> None:
    with Receiver() as receiver:
        webhook = register(services, caller, receiver.url)
        job_id = builders.queue(services, caller)
        with services.database.transaction() as session:
            assert ledger.cancel(session, job_id)
            disable(services, caller, webhook)
        with delivering(services):
            [given_up] = until_ended(services, caller)

    assert (given_up.delivery.state, given_up.tries[0].fault) == ("failed", "the webhook is disabled")
    assert receiver.got == []


def test_what_is_asked_for_by_hand_is_told_to_a_disabled_webhook(services: Services, caller: Caller) -> None:
    with Receiver() as receiver:
        webhook = register(services, caller, receiver.url)
        end_a_job(services, caller)
        disable(services, caller, webhook)
        [given_up] = history(services, caller)
        with services.database.transaction() as session:
            deliveries.redeliver(session, given_up.delivery.id)
        ping(services, webhook)
        with delivering(services):
            told = until_ended(services, caller)

    assert [each.delivery.state for each in told] == ["delivered", "delivered"]
    assert {got.verified(webhook.secret)["type"] for got in receiver.got} == {
        "image.generation.job.cancelled",
        "webhook.ping",
    }


def test_an_address_of_a_private_network_is_not_told_and_that_is_said(services: Services, caller: Caller) -> None:
    with Receiver() as receiver, delivering(services, schedule=LATER):
        end_a_job(services, caller, webhook_url=f"https://localhost:{receiver.port}/")
        refused = until_tried(services, caller)

    [tried] = refused.tries
    assert (tried.status, tried.fault) == (None, "the host has no public address")
    assert receiver.got == []


def test_no_secret_is_logged(services: Services, caller: Caller, capfd: pytest.CaptureFixture[str]) -> None:
    with Receiver(500, 410) as receiver, delivering(services):
        webhook = register(services, caller, receiver.url)
        end_a_job(services, caller)
        until_ended(services, caller)

    logged = "".join(capfd.readouterr())
    assert "delivery.tried" in logged
    assert webhook.secret not in logged
    assert "whsec_" not in logged
    ping(services, webhook)
    with services.database.transaction() as session:
        [claim] = deliveries.claim(session, most=1)
    assert claim.secrets == (webhook.secret,)
    assert "whsec_" not in repr(claim)
