"""The sandbox as its user meets it: started, interrupted, killed, and started again."""

import io
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from minio import Minio

from sandbox.parts import UPSTREAMS
from tests.sandboxes import Sandbox, until

SERVERS = {"postgres", "valkey", "store"}
PROVIDERS = [upstream.provider for upstream in UPSTREAMS]
OURS = {"api", "clerk", "scheduler", *(f"{part}-{name}" for part in ("worker", "simulator") for name in PROVIDERS)}

Start = Callable[..., Sandbox]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts sandboxes in one folder; whatever is left of them is ended with the test."""
    started: list[Sandbox] = []

    def begin(**how: Any) -> Sandbox:
        started.append(Sandbox(tmp_path / "home", **how))
        return started[-1]

    yield begin
    for sandbox in started:
        if sandbox.process.is_running():
            sandbox.process.terminate()
        sandbox.process.wait(timeout=15)


def all_gone(family: list[psutil.Process]) -> bool:
    return not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in family)


def test_ready_json_names_every_part_and_a_stop_leaves_nothing(start: Start) -> None:
    sandbox = start(servers_only=False)
    ready = sandbox.ready()
    family = sandbox.family()

    assert ready["base_url"] == f"http://127.0.0.1:{sandbox.port}/v1"
    assert ready["parts"].keys() == SERVERS | OURS
    assert {part["pid"] for part in ready["parts"].values()} <= {process.pid for process in family}
    assert all(Path(part["log"]).is_file() for part in ready["parts"].values())
    assert requests.get(ready["parts"]["api"]["address"] + "/health/ready", timeout=5).ok

    sandbox.process.send_signal(signal.SIGINT)

    assert sandbox.process.wait(timeout=10) == 0
    assert all_gone(family)
    assert not (sandbox.home / "ready.json").exists()


def test_a_killed_supervisor_leaves_no_orphans_and_the_next_one_the_same_key(start: Start) -> None:
    killed = start(servers_only=False)
    first = killed.ready()
    family = killed.family()

    killed.process.kill()

    until(lambda: all_gone(family), "every process has ended", within=5)
    (killed.home / "ready.json").unlink()
    assert start(servers_only=False, port=killed.port).ready()["api_key"] == first["api_key"]


def test_the_next_sandbox_may_start_at_once_after_a_kill(start: Start) -> None:
    killed = start()
    first = killed.ready()

    killed.process.kill()
    (killed.home / "ready.json").unlink()

    assert start().ready()["environment"] == first["environment"]


def test_the_store_takes_a_picture_the_moment_it_is_ready(start: Start) -> None:
    environment = start().ready()["environment"]
    store = Minio(
        environment["S3_ENDPOINT"].removeprefix("http://"),
        access_key=environment["S3_ACCESS_KEY"],
        secret_key=environment["S3_SECRET_KEY"],
        secure=False,
    )

    store.put_object(environment["S3_BUCKET"], "img-1.png", io.BytesIO(b"picture"), length=7)

    with closing(store.get_object(environment["S3_BUCKET"], "img-1.png")) as answer:
        assert answer.read() == b"picture"


def test_a_part_that_dies_is_named_and_back(start: Start) -> None:
    sandbox = start()
    valkey = psutil.Process(sandbox.ready()["parts"]["valkey"]["pid"])

    valkey.kill()

    until(lambda: sandbox.ready()["parts"]["valkey"]["pid"] != valkey.pid, "valkey is back")
    assert "valkey died (SIGKILL); its last lines" in sandbox.said()


def test_a_second_sandbox_in_the_same_folder_is_refused(start: Start) -> None:
    start().ready()

    refused = start()

    assert refused.process.wait(timeout=10) == 1
    assert "another sandbox is running" in refused.said()


def test_a_port_in_use_is_said_before_anything_starts(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        refused = start(servers_only=False, port=somebody.getsockname()[1])

        assert refused.process.wait(timeout=10) == 1
        assert f"port {refused.port} is in use" in refused.said()
        assert not (refused.home / "postgres").exists()


def test_a_signal_during_the_start_stops_cleanly(start: Start) -> None:
    sandbox = start()
    until(sandbox.process.children, "something has started")
    family = sandbox.family()

    sandbox.process.send_signal(signal.SIGTERM)

    assert sandbox.process.wait(timeout=10) == 0
    assert all_gone(family)


def test_a_second_ctrl_c_kills_at_once(start: Start) -> None:
    sandbox = start()
    sandbox.ready()
    family = sandbox.family()
    sandbox.process.send_signal(signal.SIGINT)
    until(lambda: "Stopping" in sandbox.said(), "the first Ctrl-C is heard")
    began = time.monotonic()

    sandbox.process.send_signal(signal.SIGINT)

    sandbox.process.wait(timeout=10)
    assert time.monotonic() - began < 1
    assert all_gone(family)
