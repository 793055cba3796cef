"""Real Postgres, Valkey and S3 from the sandbox, started once a run; a database of its own for every test."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from redis import Redis

from core import settings as settings_module
from core.bootstrap import Services, assemble
from core.settings import Settings
from sandbox.service import dies_with

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 60


@pytest.fixture(autouse=True, scope="session")
def _only_loopback() -> Iterator[None]:
    """No test speaks to anything but this machine."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in {socket.AF_INET, socket.AF_INET6} and address[0] not in {
            "127.0.0.1",
            "::1",
            "localhost",
        }:
            raise AssertionError(f"a test tried to reach {address}")
        connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded)
        yield


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What `ready.json` says of a Postgres, a Valkey and a store that are restarted when they die.

    Their pids are those of the start; `ready_file` has the newest.
    """
    home = tmp_path_factory.mktemp("servers")
    environment = {**os.environ, "DARKROOM_HOME": str(home)}
    command = [sys.executable, "-m", "darkroom", "sandbox", "--servers-only"]
    with (home / "out.log").open("wb") as out:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdout=out,
            stderr=out,
            preexec_fn=dies_with(os.getpid(), signal.SIGTERM),
        )
    ready = home / "ready.json"
    deadline = time.monotonic() + START_SECONDS
    try:
        while not ready.exists():
            assert process.poll() is None, (home / "out.log").read_text()
            assert time.monotonic() < deadline, (home / "out.log").read_text()
            time.sleep(0.05)
        yield {**json.loads(ready.read_text()), "ready_file": ready}
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


def _administer(servers: dict[str, Any], statement: str, *names: str) -> None:
    url = servers["environment"]["DATABASE_URL"].replace("+psycopg", "")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


@pytest.fixture(scope="session")
def template(servers: dict[str, Any]) -> str:
    """A migrated database to copy, and the bucket."""
    _administer(servers, "CREATE DATABASE {}", "template_darkroom")
    environment = {**os.environ, **servers["environment"]}
    environment["DATABASE_URL"] = _at_database(servers, "template_darkroom")
    subprocess.run([sys.executable, "-m", "darkroom", "migrate"], cwd=ROOT, env=environment, check=True)
    return "template_darkroom"


def _at_database(servers: dict[str, Any], name: str) -> str:
    server, _, _ = servers["environment"]["DATABASE_URL"].rpartition("/")
    return f"{server}/{name}"


@pytest.fixture(scope="session")
def environments(servers: dict[str, Any], template: str) -> Callable[[], AbstractContextManager[dict[str, str]]]:
    """Makes the environment variables of a Darkroom with a database of its own and an empty broker."""

    @contextmanager
    def environments() -> Iterator[dict[str, str]]:
        name = f"test_{uuid4().hex}"
        _administer(servers, "CREATE DATABASE {} TEMPLATE {}", name, template)
        with Redis.from_url(servers["environment"]["REDIS_URL"]) as redis:
            redis.flushdb()
        yield {
            **servers["environment"],
            "DATABASE_URL": _at_database(servers, name),
            "OPENAI_API_KEY": "sk-test-upstream",
            "OPENAI_BASE_URL": "http://127.0.0.1:1/v1",
        }
        _administer(servers, "DROP DATABASE {} WITH (FORCE)", name)

    return environments


@pytest.fixture
def environment(environments: Callable[[], AbstractContextManager[dict[str, str]]]) -> Iterator[dict[str, str]]:
    with environments() as environment:
        yield environment


@pytest.fixture
def settings(environment: dict[str, str]) -> Settings:
    return settings_module.read(environment)


@pytest.fixture
def services(settings: Settings) -> Iterator[Services]:
    """This test's own connections to the real servers."""
    services = assemble(settings)
    yield services
    services.close()
