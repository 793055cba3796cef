"""The product's own processes: one Darkroom a test, on the real servers, with the simulator for its provider."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Timer
from typing import Any, Self
from urllib.parse import urlsplit

import psutil
import requests
from openai import OpenAI
from openai.types import ImagesResponse

from sandbox import ports
from sandbox.parts import UPSTREAMS
from sandbox.service import dies_with
from tests.tcp_proxy import TcpProxy

ROOT = Path(__file__).resolve().parents[1]
UPSTREAM_KEY = "sk-test-upstream"
COMMANDS = {
    "api": ("api", "--port", "{api}"),
    "worker": ("worker", "--provider", "{provider}"),
    "second worker": ("worker", "--provider", "{provider}"),
    "scheduler": ("scheduler",),
    "clerk": ("clerk",),
    "simulator": ("simulators", "{provider}", "--port", "{simulator}", "--api-key", UPSTREAM_KEY),
}
READY = {
    "worker": "worker.ready",
    "second worker": "worker.ready",
    "scheduler": "scheduler.ready",
    "clerk": "clerk.ready",
    "simulator": "http://",
}


def until(condition: Callable[[], object], what: str, *, within: float = 60) -> None:
    """Look again and again until it holds; fail with `what` after so many seconds."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"not within {within} s: {what}"
        time.sleep(0.05)


def kill_server(servers: dict[str, Any], part: str) -> None:
    """As `kill -9`; returns when the supervisor has put another one in its place."""
    ready_file: Path = servers["ready_file"]

    def pid() -> int:
        return int(json.loads(ready_file.read_text())["parts"][part]["pid"])

    killed = pid()
    os.kill(killed, signal.SIGKILL)
    until(lambda: pid() != killed, f"another {part} runs")


class Stack:
    """Processes by name, and the lines to broker, store and provider that a test may cut."""

    def __init__(self, folder: Path, environment: dict[str, str], *, key: str, provider: str = "openai") -> None:
        self._folder = folder
        self._ports = {"api": str(ports.choose(())), "simulator": str(ports.choose(()))}
        (upstream,) = [upstream for upstream in UPSTREAMS if upstream.provider == provider]
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._callers = ThreadPoolExecutor(64)
        self.key = key
        self._provider = provider
        self._client = OpenAI(api_key=key, base_url=f"{self.url}/v1", max_retries=0, timeout=120)
        broker = urlsplit(environment["REDIS_URL"]).netloc.rpartition("@")[2]
        store = urlsplit(environment["S3_ENDPOINT"]).netloc
        self.broker_line, self.store_line = TcpProxy(broker), TcpProxy(store)
        self.provider_line = TcpProxy(self.simulator_address)
        self._environment = {
            **os.environ,
            "DARKROOM_DRAIN_SECONDS": "1",
            **environment,
            "REDIS_URL": environment["REDIS_URL"].replace(broker, self.broker_line.address),
            "S3_ENDPOINT": f"http://{self.store_line.address}",
            upstream.key: UPSTREAM_KEY,
            upstream.base_url: f"http://{self.provider_line.address}{upstream.path}",
            "DARKROOM_PUBLIC_URL": self.url,
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._callers.shutdown(cancel_futures=True)
        self._client.close()
        for process in self._running.values():
            process.terminate()  # a killed gunicorn would leave its children behind
        for name in list(self._running):
            self._end(name)
        for line in (self.broker_line, self.store_line, self.provider_line):
            line.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._ports['api']}"

    @property
    def simulator_address(self) -> str:
        return f"127.0.0.1:{self._ports['simulator']}"

    def start(self, *names: str) -> None:
        """Start parts and wait until they are ready."""
        for name in names:
            self._spawn(name)
        for name in names:
            until(partial(self._is_ready, name), f"{name} is ready")

    def kill(self, name: str) -> None:
        """As `kill -9` of all its processes."""
        process = self._running.pop(name)
        children = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        for child in children:
            child.kill()
        process.wait()

    def stop(self, *names: str) -> None:
        """As systemd stops them; returns when they have ended."""
        for name in names:
            self._running[name].terminate()
        for name in names:
            self._end(name)

    def pid(self, name: str) -> int:
        return self._running[name].pid

    def log(self, name: str) -> str:
        return (self._folder / f"{name}.log").read_text()

    def lines(self, name: str, event: str) -> list[dict[str, Any]]:
        """What a process has logged of an event."""
        told = (json.loads(line) for line in self.log(name).splitlines() if line.startswith("{"))
        return [line for line in told if line["event"] == event]

    def generate(self, **parameters: Any) -> "Future[ImagesResponse]":
        """Call the API with the official client, without its retries, in the background."""
        given = {"model": "dall-e-2", "prompt": "a lighthouse", "size": "256x256", **parameters}
        return self._callers.submit(partial(self._client.images.generate, **given))

    def generate_after(self, seconds: float, **parameters: Any) -> None:
        """The same, begun so much later; whoever waits for it looks at the ledger."""
        Timer(seconds, partial(self.generate, **parameters)).start()

    def control(self, method: str, path: str, **body: Any) -> Any:
        """Speak to the simulator's control page."""
        address = f"http://{self.simulator_address}/control{path}"
        answer = requests.request(method, address, json=body or None, timeout=10)
        answer.raise_for_status()
        return answer.json()

    def charges(self) -> int:
        return len(self.control("GET", "/charges"))

    def _spawn(self, name: str) -> None:
        given = {**self._ports, "provider": self._provider}
        arguments = [argument.format(**given) for argument in COMMANDS[name]]
        with (self._folder / f"{name}.log").open("wb") as log:
            self._running[name] = subprocess.Popen(
                [sys.executable, "-m", "darkroom", *arguments],
                cwd=ROOT,
                env=self._environment,
                stdout=log,
                stderr=log,
                preexec_fn=dies_with(os.getpid(), signal.SIGTERM),
            )

    def _is_ready(self, name: str) -> bool:
        assert self._running[name].poll() is None, self.log(name)
        if name != "api":
            return READY[name] in self.log(name)
        try:
            return requests.get(f"{self.url}/health/live", timeout=5).ok
        except (requests.ConnectionError, requests.Timeout):
            return False

    def _end(self, name: str) -> None:
        process = self._running.pop(name)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
