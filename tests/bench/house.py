"""A sandbox of the benchmark's own, in front of the instant upstream; both end with the block."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg

from tests.bench import upstream
from tests.bench.load import ROOT, Plan

UPSTREAM = "upstream"  # its name among the parts
_KEY = "sk-instant"
_START_SECONDS = 60
_STOP_SECONDS = 20


@dataclass
class House:
    """`pids` are those of the sandbox's parts by name, of the upstream, and of workers added later."""

    folder: Path
    port: int
    upstream_port: int
    key: str
    environment: dict[str, str]
    pids: dict[str, int]
    added: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def plan(self, kilobytes: int, *, at_once: int, after: float = 0.0, **limits: Any) -> Plan:
        body = {"model": "dall-e-3", "prompt": upstream.prompt(kilobytes, after=after)}
        return Plan(port=self.port, key=self.key, body=body, at_once=at_once, **limits)

    def direct(self, kilobytes: int, *, at_once: int, **limits: Any) -> Plan:
        """The same, past Darkroom."""
        body = {"model": "gpt-image-2", "prompt": upstream.prompt(kilobytes)}
        return Plan(port=self.upstream_port, key=_KEY, body=body, at_once=at_once, **limits)

    def darkroom(self, *arguments: str) -> None:
        subprocess.run(_command(*arguments), cwd=ROOT, env=self.environment, check=True)

    def make_key(self, name: str) -> str:
        command = _command("keys", "create", name)
        made = subprocess.run(command, cwd=ROOT, env=self.environment, check=True, capture_output=True, text=True)
        return made.stdout.split()[-1]

    def add_worker(self) -> None:
        """Start one more worker process and wait until it takes jobs."""
        log = self.folder / f"added-{len(self.added)}.log"
        with log.open("wb") as out:
            command = _command("worker", "--provider", "openai")
            process = subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=out, stderr=out)
        self.added.append(process)
        self.pids[f"worker-openai-{len(self.added) + 1}"] = process.pid
        _until(lambda: "worker.ready" in log.read_text(), process, log)

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of the ledger's Postgres, on a connection made for this."""
        url = self.environment["DATABASE_URL"].replace("+psycopg", "")
        with psycopg.connect(url, application_name="bench") as connection:
            return connection.execute(query.encode()).fetchall()

    def administer(self, statement: str) -> None:
        url = self.environment["DATABASE_URL"].replace("+psycopg", "")
        with psycopg.connect(url, application_name="bench", autocommit=True) as connection:
            connection.execute(statement.encode())

    def part(self, pid_name: str) -> list[psutil.Process]:
        """The processes of a part."""
        process = psutil.Process(self.pids[pid_name])
        return [process, *process.children(recursive=True)]


@contextmanager
def house() -> Iterator[House]:
    with tempfile.TemporaryDirectory(prefix="darkroom-bench-") as folder, _upstream() as (upstream_pid, port):
        environment = {
            **os.environ,
            "DARKROOM_HOME": folder,
            "PORT": str(_free_port()),
            "OPENAI_API_KEY": _KEY,
            "OPENAI_BASE_URL": f"http://127.0.0.1:{port}/v1",
        }
        with _sandbox(Path(folder), environment) as ready:
            built = House(
                folder=Path(folder),
                port=int(environment["PORT"]),
                upstream_port=port,
                key=ready["api_key"],
                environment={**environment, **ready["environment"]},
                pids={name: part["pid"] for name, part in ready["parts"].items()} | {UPSTREAM: upstream_pid},
            )
            try:
                yield built
            finally:
                for process in built.added:
                    _stop(process)


@contextmanager
def _upstream() -> Iterator[tuple[int, int]]:
    command = [sys.executable, "-m", "tests.bench.upstream"]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.pid, int(process.stdout.readline())
    finally:
        _stop(process)


@contextmanager
def _sandbox(folder: Path, environment: dict[str, str]) -> Iterator[dict[str, Any]]:
    ready, log = folder / "ready.json", folder / "sandbox.log"
    with log.open("wb") as out:
        process = subprocess.Popen(_command("sandbox"), cwd=ROOT, env=environment, stdout=out, stderr=out)
    try:
        _until(ready.exists, process, log)
        yield json.loads(ready.read_text())
    finally:
        _stop(process)


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "darkroom", *arguments]


def _until(holds: Callable[[], bool], process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not holds():
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"{process.args!r} did not get ready:\n{log.read_text()}")
        time.sleep(0.05)


def _stop(process: "subprocess.Popen[bytes] | subprocess.Popen[str]") -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
