"""One OpenAI simulator, a process of its own as in the sandbox, for all tests of this folder."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from openai import OpenAI

KEY = "sk-sandbox-0123456789abcd"
Script = Callable[..., None]
Charges = Callable[[], list[dict[str, Any]]]


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    command = [sys.executable, "-m", "sandbox.simulators.serve", "openai", "--api-key", KEY]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as simulator:
        assert simulator.stdout is not None
        yield simulator.stdout.readline().strip()
        simulator.terminate()


@pytest.fixture
def client(address: str) -> Iterator[OpenAI]:
    requests.delete(f"{address}/control", timeout=5).raise_for_status()
    with OpenAI(api_key=KEY, base_url=f"{address}/v1", max_retries=0) as client:
        yield client


@pytest.fixture
def script(address: str, client: OpenAI) -> Script:  # noqa: ARG001 - the client's reset comes first
    def schedule(*outcomes: str) -> None:
        body = {"outcomes": list(outcomes)}
        requests.post(f"{address}/control/outcomes", json=body, timeout=5).raise_for_status()

    return schedule


@pytest.fixture
def charges(address: str) -> Charges:
    def read() -> list[dict[str, Any]]:
        charged: list[dict[str, Any]] = requests.get(f"{address}/control/charges", timeout=5).json()
        return charged

    return read
