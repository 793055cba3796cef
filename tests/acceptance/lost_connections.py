"""Ways to lose a connection, each with a client that knows nothing of them: it gets its pictures, paid for once.

A client is a command that does what clients/python_client.py does; a scenario is a function of a running Stack and
that command.
"""

import json
import subprocess
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from io import BytesIO
from random import Random
from typing import Any

import psutil
import requests
from PIL import Image
from sqlalchemy import ColumnElement, func, select

from core.bootstrap import Services
from core.orm import Job
from core.states import JobState
from tests.acceptance.edge import TIMED_OUT, Edge, endless
from tests.stack import ROOT, Stack, until

SEED = 20_261_123
PARTS = ("simulator", "api", "worker", "scheduler")
CALLS = 50


class House:
    """A running Darkroom, and the client that is tried against it. What was there before is not counted."""

    def __init__(self, stack: Stack, services: Services, client: Sequence[str]) -> None:
        self.stack = stack
        self._services = services
        self._client = client
        self._jobs_before = self._count()
        self._charges_before = stack.charges()

    @property
    def api(self) -> str:
        return self.stack.url.removeprefix("http://")

    def render_in(self, seconds: float) -> None:
        self.stack.control("PUT", "/latency", seconds=seconds)

    def ask(self, address: str, *prompts: str, **options: Any) -> "Asking":
        """Start the client at an address (host:port), with its own number of retries unless `options` differ."""
        plan = {
            "base_url": f"http://{address}/v1",
            "api_key": self.stack.key,
            "timeout": 60,
            "max_retries": 2,
            "prompts": prompts,
            **options,
        }
        return Asking(self._client, plan)

    def jobs(self) -> int:
        return self._count() - self._jobs_before

    def unfinished(self) -> int:
        return self._count(Job.state != JobState.COMPLETED)

    def charges(self) -> int:
        return self.stack.charges() - self._charges_before

    def _count(self, *conditions: ColumnElement[bool]) -> int:
        with self._services.database.transaction() as session:
            return session.scalar(select(func.count(Job.id)).where(*conditions)) or 0


class Asking:
    """A client at work."""

    def __init__(self, command: Sequence[str], plan: dict[str, Any]) -> None:
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdin
        json.dump(plan, self._process.stdin)
        self._process.stdin.close()
        self._process.stdin = None  # or the end would flush it once more

    def urls(self) -> list[str]:
        """Wait for all answers; each has to be a picture."""
        said, _ = self._process.communicate(timeout=90)
        answers = json.loads(said)
        assert [answer for answer in answers if not answer.get("url")] == []
        return [answer["url"] for answer in answers]


Scenario = Callable[[House], None]


def a_connection_that_is_cut_anywhere(house: House) -> None:
    chance = Random(SEED)
    prompts = [f"lighthouse {number}" for number in range(8)]
    house.render_in(1.0)

    def patience(count: int) -> float:
        return chance.uniform(0, 1.3) if count == 0 else chance.uniform(0.3, 1.3) if count == 1 else endless(count)

    with closing(Edge(house.api, patience)) as edge:
        assert_once(house, house.ask(edge.address, *prompts).urls())
        assert edge.broken_off >= len(prompts)


def an_edge_with_less_patience_than_the_render(house: House) -> None:
    house.render_in(4.7)  # so that it is over when the third call comes

    with closing(Edge(house.api, lambda _: 2.0)) as edge:
        assert_once(house, house.ask(edge.address, "a lighthouse").urls())
        assert edge.broken_off >= 2


def an_edge_that_answers_504_itself(house: House) -> None:
    house.render_in(2.5)

    with closing(Edge(house.api, lambda count: 1.0 if count < 2 else endless(count), TIMED_OUT)) as edge:
        assert_once(house, house.ask(edge.address, "a lighthouse").urls())
        assert edge.broken_off == 2


def a_client_with_less_patience_than_the_render(house: House) -> None:
    house.render_in(2.5)

    assert_once(house, house.ask(house.api, "a lighthouse", timeout=1.5).urls())


def an_api_that_is_killed(house: House) -> None:
    house.render_in(2.0)
    asking = house.ask(house.api, "a lighthouse", "a harbour", max_retries=8)
    until(lambda: house.jobs() == 2, "both are recorded")

    house.stack.kill("api")
    house.stack.start("api")

    assert_once(house, asking.urls())


def a_process_of_the_api_that_is_killed(house: House) -> None:
    house.render_in(2.0)
    asking = house.ask(house.api, "a lighthouse", "a harbour")
    until(lambda: house.jobs() == 2, "both are recorded")

    [process] = psutil.Process(house.stack.pid("api")).children()
    process.kill()

    assert_once(house, asking.urls())


def an_api_that_is_restarted(house: House) -> None:
    house.render_in(2.0)
    asking = house.ask(house.api, "a lighthouse", "a harbour")
    until(lambda: house.jobs() == 2, "both are recorded")

    house.stack.stop("api")
    house.stack.start("api")

    assert_once(house, asking.urls())


def many_equal_calls_of_which_some_are_cut(house: House) -> None:
    chance = Random(SEED)
    house.render_in(3.0)

    def patience(count: int) -> float:
        return chance.uniform(1.0, 2.0) if count == 0 and chance.random() < 0.5 else endless(count)

    with closing(Edge(house.api, patience)) as edge:
        assert_once(house, house.ask(edge.address, *["a lighthouse"] * CALLS).urls())
        assert edge.broken_off > CALLS / 4


SCENARIOS: tuple[Scenario, ...] = (
    a_connection_that_is_cut_anywhere,
    an_edge_with_less_patience_than_the_render,
    an_edge_that_answers_504_itself,
    a_client_with_less_patience_than_the_render,
    an_api_that_is_killed,
    a_process_of_the_api_that_is_killed,
    an_api_that_is_restarted,
    many_equal_calls_of_which_some_are_cut,
)


def assert_once(house: House, urls: list[str]) -> None:
    """Every caller has a picture of its own, and the provider and the ledger know of no other."""
    assert [url for url, times in Counter(urls).items() if times > 1] == []
    assert is_png(urls[0])
    assert (house.charges(), house.jobs(), house.unfinished()) == (len(urls), len(urls), 0)


def is_png(url: str) -> bool:
    with Image.open(BytesIO(requests.get(url, timeout=10).content)) as picture:
        return picture.format == "PNG"
