"""Uploads to the product's own process, whose disk is full."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from tests.stack import Stack

LARGE = os.urandom(14_000_000)


@pytest.fixture
def spools(tmp_path: Path) -> Path:
    """The folder of uploads under way."""
    folder = tmp_path / "spools"
    folder.mkdir()
    return folder


@pytest.fixture
def environment(environment: dict[str, str], spools: Path) -> dict[str, str]:
    return {**environment, "TMPDIR": str(spools)}


@contextmanager
def full_disk(stack: Stack) -> Iterator[None]:
    """No file of the front end grows beyond a megabyte."""
    api = psutil.Process(stack.pid("api"))
    family = [api, *api.children(recursive=True)]
    usual = api.rlimit(psutil.RLIMIT_FSIZE)
    for process in family:
        process.rlimit(psutil.RLIMIT_FSIZE, (1024 * 1024, usual[1]))
    yield
    for process in family:
        process.rlimit(psutil.RLIMIT_FSIZE, usual)


def ask(stack: Stack, method: str = "GET", **given: Any) -> requests.Response:
    headers = {"Authorization": f"Bearer {stack.key}"}
    return requests.request(method, f"{stack.url}/v1/files", headers=headers, timeout=30, **given)


def send(stack: Stack) -> requests.Response:
    return ask(stack, "POST", data={"purpose": "vision"}, files={"file": ("photo.png", LARGE)})


def test_a_disk_that_gets_full_under_an_upload_leaves_nothing(stack: Stack, spools: Path) -> None:
    stack.start("api")

    with full_disk(stack):
        refused = send(stack)

    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "temporarily_unavailable")
    assert (refused.headers["x-should-retry"], refused.headers["retry-after"]) == ("true", "1")
    assert ask(stack).json()["data"] == []
    assert list(spools.iterdir()) == []
    assert send(stack).json()["bytes"] == len(LARGE)
