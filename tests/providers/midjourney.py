"""Midjourney's adapter and its simulator, for the tests of both."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import requests

from core.generation import Size
from tests.providers.conformance import KEY, PATIENT, PROMPT
from tests.providers.simulator import Simulator
from workers.providers.base import Accepted, Delivered, Order, RawPicture
from workers.providers.downloads import Downloads
from workers.providers.http import Client, Limits
from workers.providers.midjourney import Midjourney, Split

ORDER = Order(upstream_model="v6", prompt=PROMPT, n=1, size=Size(1024, 1024), quality="standard", style=None)
ALL = replace(ORDER, n=4)
POLLS = 20


def configure(simulator: Simulator, **account: Any) -> None:
    requests.put(f"{simulator.address}/control/account", json=account, timeout=5).raise_for_status()


def advance(simulator: Simulator, seconds: float) -> None:
    body = {"advance_seconds": seconds}
    requests.put(f"{simulator.address}/control/clock", json=body, timeout=5).raise_for_status()


def restart(simulator: Simulator) -> None:
    requests.post(f"{simulator.address}/control/restart", timeout=5).raise_for_status()


def build(address: str, limits: Limits = PATIENT, *, split: Split = "crop", key: str = KEY) -> Midjourney:
    client = Client(address, {"mj-api-secret": key}, connections=4, limits=limits)
    return Midjourney(client, Downloads(address, hosts=(), limits=limits, connections=4), split=split)


def submitted(adapter: Midjourney, order: Order = ORDER) -> dict[str, Any]:
    answered = adapter.submit(order)
    assert isinstance(answered, Accepted)
    return dict(answered.handle)


def pictures(adapter: Midjourney, order: Order = ORDER) -> list[RawPicture]:
    return polled(lambda: adapter, order, submitted(adapter, order))


def polled(adapter: Callable[[], Midjourney], order: Order, handle: dict[str, Any]) -> list[RawPicture]:
    """The pictures, asked for as often as it takes."""
    for _ in range(POLLS):
        answered = adapter().poll(order, handle)
        if isinstance(answered, Delivered):
            return answered.pictures
        handle = dict(answered.handle or handle)
    raise AssertionError("no picture came")


def charged(simulator: Simulator) -> list[str]:
    return [charge["quality"] for charge in simulator.charges()]
