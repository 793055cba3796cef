"""Every process is stopped and started again, one after the other, while callers and a batch are at work."""

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from itertools import count
from pathlib import Path
from threading import Event as Signal
from typing import Any

import pytest
from openai import OpenAI
from sqlalchemy import select

from core.bootstrap import Services
from core.orm import Budget, Job, JobEvent, ProviderCall
from core.states import CallOutcome, Event, JobState
from tests import builders
from tests.acceptance.balancer import Balancer
from tests.acceptance.lost_connections import is_png
from tests.stack import Stack, until

CALLERS = 20
LINES = 12
# One answers with the picture, the other with a task that has to be asked after.
ORDERS = {
    "openai": {"model": "dall-e-2", "size": "256x256"},
    "bfl": {"model": "flux-1-pro", "size": "1024x1024"},
}
RENDER_SECONDS = 3.0
WORKERS = ("worker", "second worker")
SINGLE = ("scheduler", "clerk")


class House:
    """Two processes of everything that a caller waits for, behind a load balancer."""

    def __init__(self, stacks: dict[str, Stack], services: Services, balancer: Balancer) -> None:
        self.stacks = stacks
        self.services = services
        self._balancer = balancer
        self.client = OpenAI(api_key=stacks["openai"].key, base_url=f"http://{balancer.address}/v1", timeout=60)

    def restart_everything(self) -> None:
        for part in WORKERS:
            with ThreadPoolExecutor(len(self.stacks)) as hands:
                list(hands.map(lambda stack, part=part: stack.stop(part), self.stacks.values()))
            for stack in self.stacks.values():  # not by these hands: a process ends with the thread that began it
                stack.start(part)
        for stack in self.stacks.values():
            restart(stack, "api")
            until(lambda: len(self._balancer.ready) == len(self.stacks), "both are balanced again")
        restart(self.stacks["openai"], *SINGLE)

    def charges(self) -> int:
        return sum(stack.charges() for stack in self.stacks.values())

    def tally(self, column: Any) -> Counter[Any]:
        """How many rows there are of each value of a column."""
        with self.services.database.transaction() as session:
            return Counter(session.scalars(select(column)))


@pytest.fixture
def house(environment: dict[str, str], services: Services, tmp_path: Path) -> Iterator[House]:
    key, _ = builders.make_caller(services)
    environment["BFL_API_KEY"] = "sk-test-upstream"
    with ExitStack() as opened:
        stacks = {}
        for provider in ORDERS:
            builders.register(services, provider=provider, slots=CALLERS)
            folder = tmp_path / provider
            folder.mkdir()
            stack = opened.enter_context(Stack(folder, environment, key=key, provider=provider))
            stacks[provider] = stack
        for stack in stacks.values():
            stack.start("simulator", "api", *WORKERS)
            stack.control("PUT", "/latency", seconds=RENDER_SECONDS)
        stacks["openai"].start(*SINGLE)
        addresses = (stack.url.removeprefix("http://") for stack in stacks.values())
        balancer = opened.enter_context(closing(Balancer(*addresses)))
        until(lambda: len(balancer.ready) == len(stacks), "both are balanced")
        house = House(stacks, services, balancer)
        yield house
        house.client.close()


def restart(stack: Stack, *parts: str) -> None:
    stack.stop(*parts)
    stack.start(*parts)


def call_on_and_on(client: OpenAI, caller: int, enough: Signal) -> list[str]:
    """The addresses of the pictures that a caller was given, one after the other."""
    urls = []
    for number in count():
        order = list(ORDERS.values())[(caller + number) % len(ORDERS)]
        answer = client.images.generate(prompt=f"lighthouse {number} of {caller}", **order)  # type: ignore[call-overload] # the SDK's sizes are literals
        urls.append(answer.data[0].url)
        if enough.is_set():
            return urls
    raise AssertionError


def submit(client: OpenAI) -> str:
    body = {"prompt": "a harbour", **ORDERS["bfl"]}
    line = {"method": "POST", "url": "/v1/images/generations", "body": body}
    lines = "\n".join(json.dumps({"custom_id": f"line-{number}", **line}) for number in range(LINES))
    file = client.files.create(file=("lines.jsonl", lines.encode()), purpose="batch")
    batch = client.batches.create(
        input_file_id=file.id, endpoint="/v1/images/generations", completion_window="24h"
    )
    return batch.id


@pytest.mark.timeout(300)
def test_a_rolling_restart_under_load_loses_nothing_and_charges_nothing_twice(house: House) -> None:
    enough = Signal()
    with ThreadPoolExecutor(CALLERS) as callers:
        calling = [callers.submit(call_on_and_on, house.client, caller, enough) for caller in range(CALLERS)]
        batch_id = submit(house.client)
        try:
            house.restart_everything()
        finally:
            enough.set()
    urls = [url for caller in calling for url in caller.result()]
    until(lambda: house.client.batches.retrieve(batch_id).status == "completed", "the batch is done")

    pictures = len(urls) + LINES
    assert len(set(urls)) == len(urls)
    assert all(is_png(url) for url in urls[-CALLERS:])
    assert house.tally(Job.state) == {JobState.COMPLETED: pictures}
    assert house.tally(ProviderCall.outcome) == {CallOutcome.DELIVERED: pictures}
    assert house.charges() == pictures
    assert house.tally(Budget.reserved) == {0: 1}
    assert house.tally(JobEvent.event)[Event.HANDED_OVER] > 0
