"""Midjourney's adapter and its simulator, for the tests of both."""

from dataclasses import replace
from typing import Any

import requests

from core.generation import Size
from tests.providers.simulator import Simulator
from tests.providers.wire_conformance import KEY, PATIENT, PROMPT
from workers.providers.base import Order
from workers.providers.downloads import Downloads
from workers.providers.http import Client, Limits
from workers.providers.midjourney import Midjourney, Split

ORDER = Order(upstream_model="v6", prompt=PROMPT, n=1, size=Size(1024, 1024), quality="standard", style=None)
ALL = replace(ORDER, n=4)


def configure(simulator: Simulator, **account: Any) -> None:
    requests.put(f"{simulator.address}/control/account", json=account, timeout=5).raise_for_status()


def restart(simulator: Simulator) -> None:
    requests.post(f"{simulator.address}/control/restart", timeout=5).raise_for_status()


def build(address: str, limits: Limits = PATIENT, *, split: Split = "crop", key: str = KEY) -> Midjourney:
    client = Client(address, {"mj-api-secret": key}, connections=4, limits=limits)
    return Midjourney(client, Downloads(address, hosts=(), limits=limits, connections=4), split=split)


def charged(simulator: Simulator) -> list[str]:
    return [charge["quality"] for charge in simulator.charges()]
