import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from openai import OpenAI


@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_simulator_at_once_though_calls_wait(name: signal.Signals) -> None:
    command = [sys.executable, "-m", "sandbox.simulators.serve", "openai"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as simulator:
        assert simulator.stdout is not None
        address = simulator.stdout.readline().strip()
        with waiting_call(address):
            simulator.send_signal(name)

            assert simulator.wait(timeout=2) == 0


def waiting_call(address: str) -> socket.socket:
    """Open a call that hangs, and return when the simulator works on it."""
    host, port = address.removeprefix("http://").split(":")
    body = b'{"prompt": "[[hang]]"}'
    call = socket.create_connection((host, int(port)), timeout=5)
    head = "POST /v1/images/generations HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\n"
    call.sendall(f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    while state(address)["in_flight"] == 0:
        pass
    return call


def state(address: str) -> dict[str, Any]:
    answer: dict[str, Any] = requests.get(f"{address}/control/state", timeout=5).json()
    return answer


def test_calls_wait_beside_each_other(client: OpenAI, address: str) -> None:
    requests.put(f"{address}/control/latency", json={"seconds": 0.5}, timeout=5)

    with ThreadPoolExecutor(64) as callers:
        answers = list(callers.map(lambda n: client.images.generate(prompt=f"fox {n}", size="256x256"), range(64)))

    assert all(answer.data for answer in answers)
    assert state(address)["most_in_flight"] == 64
