"""Makes many calls at once and as cheaply as Python can: HTTP/1.1 on kept connections, in a process of its own."""

import asyncio
import json
import re
import resource
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_MOST_BYTES = 8 * 1024 * 1024
_CONNECTING_AT_ONCE = 100


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to ask whom: `calls` in all, begun within `seconds`; one longer than `patience` has failed."""

    port: int
    key: str
    body: dict[str, Any]
    at_once: int
    calls: int
    seconds: float = 120.0
    patience: float = 120.0


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Latencies of the calls that were answered with 200, in milliseconds, sorted; failures by what they were."""

    seconds: float
    latencies: list[float]
    failures: dict[str, int]
    cpu_seconds: float

    @property
    def rate(self) -> float:
        """Calls answered a second."""
        return len(self.latencies) / self.seconds

    @property
    def failed(self) -> int:
        return sum(self.failures.values())

    def percentile(self, percent: float) -> float:
        last = len(self.latencies) - 1
        return self.latencies[round(last * percent / 100)] if self.latencies else float("nan")


def start(plan: Plan) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.bench.load", json.dumps(asdict(plan))]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def outcome(process: "subprocess.Popen[str]") -> Outcome:
    """Waits for the end of the load."""
    text, _ = process.communicate()
    return Outcome(**json.loads(text))


def run(plan: Plan) -> Outcome:
    return outcome(start(plan))


class Load:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        body = json.dumps(plan.body).encode()
        head = (
            "POST /v1/images/generations HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {plan.key}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._request = head.encode() + body
        self._left = plan.calls
        self._latencies: list[float] = []
        self._failures: Counter[str] = Counter()
        self._doors = asyncio.Semaphore(_CONNECTING_AT_ONCE)

    async def run(self) -> Outcome:
        connections = await asyncio.gather(*(self._connect() for _ in range(self._plan.at_once)))
        cpu, began = time.process_time(), time.perf_counter()
        self._end = began + self._plan.seconds
        await asyncio.gather(*(self._call_on(*connection) for connection in connections))
        return Outcome(
            seconds=time.perf_counter() - began,
            latencies=sorted(self._latencies),
            failures=dict(self._failures),
            cpu_seconds=time.process_time() - cpu,
        )

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        async with self._doors:
            return await asyncio.open_connection("127.0.0.1", self._plan.port, limit=_MOST_BYTES)

    async def _call_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while self._left > 0 and time.perf_counter() < self._end:
            self._left -= 1
            began = time.perf_counter()
            try:
                async with asyncio.timeout(self._plan.patience):
                    status = await self._call(reader, writer)
            except (OSError, EOFError, TimeoutError) as fault:
                self._failures[type(fault).__name__] += 1
                writer.close()
                reader, writer = await self._connect()
            else:
                self._note(status, time.perf_counter() - began)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    async def _call(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
        writer.write(self._request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        await reader.readexactly(int(length[1]) if length else 0)
        return int(head[9:12])

    def _note(self, status: int, seconds: float) -> None:
        if status == HTTPStatus.OK:
            self._latencies.append(seconds * 1000)
        else:
            self._failures[f"status {status}"] += 1


def raise_open_files_limit() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    raise_open_files_limit()
    result = asyncio.run(Load(Plan(**json.loads(sys.argv[1]))).run())
    sys.stdout.write(json.dumps(asdict(result)))
