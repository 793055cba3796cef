"""What a receiver hears of a whole Darkroom."""

from collections.abc import Iterator
from datetime import timedelta
from threading import Event
from typing import Any
from uuid import UUID

import psutil
import pytest
import requests
from openai import OpenAI
from sqlalchemy import select, text, update

from core import deliveries, webhooks
from core.bootstrap import Services
from core.orm import ApiKey, Delivery
from core.states import DeliveryState
from tests.integration.api.batching import ENDPOINT, jsonl, line
from tests.receiver import Answer, Receiver
from tests.stack import Stack, until

WITHIN = 20


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return {**environment, "DARKROOM_WEBHOOK_HOSTS": "127.0.0.1"}


@pytest.fixture
def sdk(stack: Stack) -> Iterator[OpenAI]:
    with OpenAI(api_key=stack.key, base_url=f"{stack.url}/v1", max_retries=0, timeout=60) as sdk:
        yield sdk


def register(stack: Stack, url: str, *events: str) -> str:
    """The secret of a webhook that listens to these events."""
    answer = requests.post(
        f"{stack.url}/v1/webhooks",
        json={"url": url, "events": events},
        headers={"Authorization": f"Bearer {stack.key}"},
        timeout=10,
    )
    answer.raise_for_status()
    secret: str = answer.json()["secret"]
    return secret


def submit(sdk: OpenAI, *lines: dict[str, Any]) -> str:
    file = sdk.files.create(file=("prompts.jsonl", jsonl(*lines)), purpose="batch")
    return sdk.batches.create(input_file_id=file.id, endpoint=ENDPOINT, completion_window="24h").id


def ping(services: Services, url: str) -> UUID:
    """An event that is owed to a webhook at this address."""
    with services.database.transaction() as session:
        key_id = session.scalars(select(ApiKey.id)).one()
        return webhooks.ping(session, webhooks.create(session, key_id, url=url, events=())).id


def delivery_of(services: Services, delivery_id: UUID) -> Delivery:
    with services.database.transaction() as session:
        return session.get_one(Delivery, delivery_id)


def test_the_end_of_a_job_is_told_by_the_scheduler_and_signed(stack: Stack, services: Services) -> None:
    with Receiver() as receiver:
        stack.start("simulator", "worker", "scheduler", "api")
        made = stack.generate(extra_body={"webhook_url": receiver.url}).result()
        until(lambda: stack.lines("scheduler", "delivery.tried"), "it is told", within=10)

    with services.database.transaction() as session:
        secret = webhooks.secret_for(session, session.scalars(select(ApiKey.id)).one())
    [got] = receiver.got
    assert made.data
    event = got.verified(secret)
    [line] = stack.lines("scheduler", "delivery.tried")
    assert event["type"] == line["event_type"] == "image.generation.job.completed"
    assert event["data"]["id"] == line["job_id"]
    assert secret not in stack.log("scheduler")


@pytest.mark.parametrize(
    ("lines", "event"),
    [([line("a"), line("b")], "batch.completed"), ([line("a", model="dall-e-9")], "batch.failed")],
)
def test_how_a_batch_ended_is_told_once_and_signed(
    stack: Stack, sdk: OpenAI, lines: list[dict[str, Any]], event: str
) -> None:
    with Receiver() as receiver:
        stack.start("simulator", "worker", "scheduler", "clerk", "api")
        secret = register(stack, receiver.url)
        batch_id = submit(sdk, *lines)
        until(lambda: '"delivery.tried"' in stack.log("scheduler"), "it is told", within=WITHIN)

    [got] = receiver.got
    told = got.verified(secret)
    status = event.removeprefix("batch.")
    assert (told["type"], told["data"]) == (event, {"id": batch_id, "object": "batch", "status": status})
    assert sdk.batches.retrieve(batch_id).status == status


def test_a_delivery_that_died_with_its_scheduler_is_made_by_the_next_under_its_old_name(
    stack: Stack, services: Services
) -> None:
    let_go = Event()
    with Receiver(Answer(first=lambda: let_go.wait(WITHIN))) as receiver:
        delivery_id = ping(services, receiver.url)
        stack.start("scheduler")
        until(lambda: receiver.got, "it is under way", within=WITHIN)

        stack.kill("scheduler")
        let_go.set()
        stack.start("scheduler")
        lapse(services, delivery_id)

        until(lambda: delivery_of(services, delivery_id).ended_at, "it is told", within=WITHIN)
    told = delivery_of(services, delivery_id)
    assert (told.state, told.tries) == (DeliveryState.DELIVERED, 2)
    assert [got.name for got in receiver.got] == [deliveries.message_id(delivery_id)] * 2
    assert receiver.got[0].body == receiver.got[1].body


def lapse(services: Services, delivery_id: UUID) -> None:
    """As if the time was over in which word of a try is waited for."""
    with services.database.transaction() as session:
        session.execute(
            update(Delivery)
            .where(Delivery.id == delivery_id, Delivery.state == DeliveryState.PENDING, Delivery.tries == 1)
            .values(due_at=Delivery.due_at - deliveries.LEASE)
        )


def test_a_scheduler_whose_deliverer_has_died_of_a_bug_ends_as_failed(stack: Stack, services: Services) -> None:
    stack.start("scheduler")
    scheduler = psutil.Process(stack.pid("scheduler"))

    break_the_table(services)

    assert scheduler.wait(timeout=WITHIN) == 1
    assert "can't compare offset-naive and offset-aware datetimes" in stack.log("scheduler")
    assert '"part": "deliverer", "event": "part.died"' in stack.log("scheduler")


def break_the_table(services: Services) -> None:
    """As a migration that went wrong: times of a webhook that is owed an event are without their zone."""
    with services.database.transaction() as session:
        key_id = session.scalars(select(ApiKey.id)).one()
        webhook = webhooks.create(session, key_id, url="http://127.0.0.1:1", events=())
        rotated = webhooks.rotate(session, key_id, webhook.id, overlap=timedelta(hours=1))
        assert rotated
        webhooks.ping(session, rotated)
        session.execute(text("ALTER TABLE webhooks ALTER old_secret_until TYPE timestamp"))
