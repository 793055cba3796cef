import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
import requests


@contextmanager
def simulator() -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """A process of its own, with its address; it is gone with the block."""
    command = [sys.executable, "-m", "sandbox.simulators.serve", "openai"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def waiting_call(address: str) -> socket.socket:
    """Open a call that hangs, and return when the simulator works on it."""
    before = in_flight(address)
    host, port = address.removeprefix("http://").split(":")
    body = b'{"prompt": "[[hang]]"}'
    call = socket.create_connection((host, int(port)), timeout=5)
    head = "POST /v1/images/generations HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\n"
    call.sendall(f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    while in_flight(address) == before:
        pass
    return call


def in_flight(address: str) -> int:
    state: dict[str, Any] = requests.get(f"{address}/control/state", timeout=5).json()
    return int(state["in_flight"])


@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_simulator_at_once_though_calls_wait(name: signal.Signals) -> None:
    with simulator() as (process, address), waiting_call(address):
        process.send_signal(name)

        assert process.wait(timeout=2) == 0


def test_calls_wait_beside_each_other() -> None:
    with simulator() as (_, address), ExitStack() as calls:
        for _ in range(64):
            calls.enter_context(waiting_call(address))

        assert in_flight(address) == 64
