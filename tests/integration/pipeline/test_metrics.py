"""The figures of a front end of several processes."""

import os
import signal
from pathlib import Path

import psutil
import pytest
import requests

from core.bootstrap import Services
from tests import builders
from tests.integration.api.metrics import Scrape
from tests.stack import Stack, until


@pytest.fixture
def environment(environment: dict[str, str], tmp_path: Path) -> dict[str, str]:
    shared = tmp_path / "shared"
    shared.mkdir()
    return {**environment, "WEB_CONCURRENCY": "2", "TMPDIR": str(shared)}


def test_every_process_tells_what_all_have_counted(stack: Stack, services: Services, tmp_path: Path) -> None:
    key, _ = builders.make_caller(services, admin=True)
    stack.start("api")

    def ask(path: str) -> requests.Response:
        return requests.get(f"{stack.url}{path}", headers={"Authorization": f"Bearer {key}"}, timeout=10)

    def models() -> float:
        found = Scrape.of(ask("/metrics").text)
        return found("darkroom_http_requests_total", route="/v1/models", status="200")

    def processes() -> set[int]:
        return {child.pid for child in psutil.Process(stack.pid("api")).children()}

    assert all(ask("/v1/models").ok for _ in range(20))
    assert {models() for _ in range(10)} == {20}

    first = processes()
    os.kill(min(first), signal.SIGKILL)
    until(lambda: len(processes()) == 2 and processes() != first, "another process has taken its place")
    assert models() == 20, "what it had counted outlives it"

    assert [path.name for path in (tmp_path / "shared").iterdir() if path.name.startswith("darkroom-counts-")]
    stack.stop("api")
    assert list((tmp_path / "shared").glob("darkroom-counts-*")) == []
