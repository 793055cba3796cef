"""Batches through the product's own processes, driven by the official client, with clerks that are killed."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from openai import OpenAI
from sqlalchemy import func, select

from core.bootstrap import Services
from core.orm import Batch, Job, JobEvent
from core.states import Event
from tests import builders
from tests.integration.api.batching import ENDPOINT, jsonl, line
from tests.stack import Stack, until

PARTS = ("simulator", "api", "worker", "scheduler", "clerk")
MANY = 20_000


@pytest.fixture
def sdk(stack: Stack) -> Iterator[OpenAI]:
    with OpenAI(api_key=stack.key, base_url=f"{stack.url}/v1", max_retries=0, timeout=60) as sdk:
        yield sdk


def submit(sdk: OpenAI, body: bytes) -> str:
    file = sdk.files.create(file=("prompts.jsonl", body), purpose="batch")
    return sdk.batches.create(input_file_id=file.id, endpoint=ENDPOINT, completion_window="24h").id


def read(sdk: OpenAI, file_id: str | None) -> list[dict[str, Any]]:
    assert file_id
    return [json.loads(text) for text in sdk.files.content(file_id).text.splitlines()]


def batch_of(services: Services, batch_id: str) -> Batch:
    with services.database.transaction() as session:
        return session.get_one(Batch, batch_id)


def test_the_official_client_takes_a_batch_from_its_file_to_its_pictures(stack: Stack, sdk: OpenAI) -> None:
    stack.start(*PARTS)
    body = jsonl(
        *(line(str(number), n=1 + number % 2) for number in range(20)), line("b64", response_format="b64_json")
    )

    batch_id = submit(sdk, body)

    until(lambda: sdk.batches.retrieve(batch_id).status == "completed", "the batch is completed")
    batch = sdk.batches.retrieve(batch_id)
    assert batch.request_counts
    assert (batch.request_counts.total, batch.request_counts.completed, batch.request_counts.failed) == (21, 21, 0)
    assert batch.error_file_id is None
    results = {each["custom_id"]: each["response"]["body"]["data"] for each in read(sdk, batch.output_file_id)}
    assert results.keys() == {*map(str, range(20)), "b64"}
    assert [len(results[str(number)]) for number in range(20)] == [1, 2] * 10
    assert results["b64"][0]["b64_json"].startswith("iVBORw0KGgo")
    assert stack.charges() == 21
    assert [each.id for each in sdk.batches.list()] == [batch_id]


def test_lines_of_a_higher_priority_start_before_their_siblings(
    stack: Stack, sdk: OpenAI, services: Services
) -> None:
    builders.register(services, slots=1)
    stack.start(*PARTS)
    ranked = {"low": -1, "usual": 0, "highest": 100, "high": 2}

    batch_id = submit(sdk, jsonl(*(line(name, priority=priority) for name, priority in ranked.items())))

    until(lambda: sdk.batches.retrieve(batch_id).status == "completed", "the batch is completed")
    started = select(Job.custom_id).join(JobEvent).where(JobEvent.event == Event.CLAIMED).order_by(JobEvent.id)
    with services.database.transaction() as session:
        assert list(dict.fromkeys(session.scalars(started))) == ["highest", "high", "usual", "low"]


def test_a_clerk_that_was_killed_while_it_read_is_followed_by_one_that_goes_on(
    stack: Stack, sdk: OpenAI, services: Services
) -> None:
    builders.register(services, slots=1)
    stack.start("api", "clerk")
    batch_id = submit(sdk, jsonl(*(line(str(number)) for number in range(MANY))))
    until(lambda: batch_of(services, batch_id).read_lines > 0, "lines are jobs")

    stack.kill("clerk")
    half_way = batch_of(services, batch_id).read_lines
    stack.start("clerk")

    until(lambda: batch_of(services, batch_id).read_lines == MANY, "all lines are jobs")
    with services.database.transaction() as session:
        counts = select(func.count(), func.count(Job.custom_id.distinct()), func.sum(Job.price))
        counted = session.execute(counts.where(Job.batch_id == batch_id)).one()
    assert 0 < half_way < MANY
    assert tuple(counted) == (MANY, MANY, batch_of(services, batch_id).price)


def test_a_clerk_that_was_killed_while_it_wrote_is_followed_by_one_that_writes_again(
    stack: Stack, sdk: OpenAI, services: Services
) -> None:
    stack.start(*PARTS)
    names = [str(number) for number in range(30)]
    batch_id = submit(sdk, jsonl(*map(line, names)))
    until(lambda: batch_of(services, batch_id).read_lines == len(names), "all lines are jobs")
    stack.stop("clerk")
    until(lambda: batch_of(services, batch_id).completed == len(names), "all lines are made")
    stack.store_line.silence()
    stack.start("clerk")
    until(lambda: batch_of(services, batch_id).finalizing_at, "it is being written")

    stack.kill("clerk")
    stack.store_line.cut()
    stack.store_line.restore()
    stack.start("clerk")

    until(lambda: sdk.batches.retrieve(batch_id).status == "completed", "the batch is completed", within=90)
    batch = sdk.batches.retrieve(batch_id)
    assert sorted(each["custom_id"] for each in read(sdk, batch.output_file_id)) == sorted(names)
    assert [file.id for file in sdk.files.list(purpose="batch_output")] == [batch.output_file_id]
