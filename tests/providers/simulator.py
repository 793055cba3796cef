"""A provider's simulator, a process of its own as in the sandbox, and the handle on its control."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests


class Simulator:
    def __init__(self, address: str) -> None:
        self.address = address

    @classmethod
    @contextmanager
    def running(cls, provider: str, key: str) -> Iterator["Simulator"]:
        command = [sys.executable, "-m", "sandbox.simulators.serve", provider, "--api-key", key]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            yield cls(process.stdout.readline().strip())
            process.terminate()

    def reset(self) -> None:
        self._send("POST", "reset", {})

    def script(self, *outcomes: str) -> None:
        self._send("POST", "outcomes", {"outcomes": list(outcomes)})

    def outcomes(self) -> list[str]:
        """All that can be scripted."""
        known: list[str] = requests.get(f"{self.address}/control/state", timeout=5).json()["known_outcomes"]
        return known

    def take(self, **seconds: float) -> None:
        """How long things last: min, max, body_seconds, hang_seconds."""
        self._send("PUT", "latency", seconds)

    def advance(self, seconds: float) -> None:
        self._send("PUT", "clock", {"advance_seconds": seconds})

    def charges(self) -> list[dict[str, Any]]:
        charged: list[dict[str, Any]] = requests.get(f"{self.address}/control/charges", timeout=5).json()
        return charged

    def _send(self, method: str, what: str, body: dict[str, Any]) -> None:
        requests.request(method, f"{self.address}/control/{what}", json=body, timeout=5).raise_for_status()
