"""The document against a Darkroom that runs: what it promises holds, and its samples work."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path

import pytest
import requests

from api.openapi.samples import ADDRESS, JOB_ID, PICTURE, PYTHON, SAMPLES
from core import settings
from core.bootstrap import assemble
from tests import builders
from tests.stack import Stack

SECONDS = 60
# What only some models take is told in words, so that a request may be refused although its schema allows it.
NOT_CHECKED = "positive_data_acceptance"


@pytest.fixture(scope="module")
def stack(
    environments: Callable[[], AbstractContextManager[dict[str, str]]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """A Darkroom whose jobs are settled at once."""
    with environments() as environment, closing(assemble(settings.read(environment))) as services:
        builders.register(services)
        key, _ = builders.make_caller(services, admin=True)
        with Stack(tmp_path_factory.mktemp("stack"), environment, key=key) as stack:
            stack.start("simulator", "worker", "api")
            stack.control("POST", "/latency", seconds=0)
            yield stack


def run(stack: Stack, folder: Path, *command: str) -> str:
    """What a program says that has to go well."""
    environment = {**os.environ, "DARKROOM_API_KEY": stack.key}
    ended = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_no_answer_is_one_that_the_document_does_not_promise(stack: Stack, tmp_path: Path) -> None:
    """Schemathesis sends what the document allows, and much that it does not."""
    run(
        stack,
        tmp_path,
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{stack.url}/openapi.json"),
        *("--header", f"Authorization: Bearer {stack.key}"),
        *("--exclude-checks", NOT_CHECKED),
        *("--max-examples", "25", "--generation-deterministic"),
        *("--request-timeout", "30", "--no-color"),
    )

    assert "request.crashed" not in stack.log("api")


def filled_in(stack: Stack, sample: str) -> str:
    """For this Darkroom, and for a picture and a job that are there."""
    picture = stack.generate().result().data
    assert picture
    name = str(picture[0].url).rpartition("/")[2]
    listed = requests.get(
        f"{stack.url}/v1/images/jobs", headers={"Authorization": f"Bearer {stack.key}"}, timeout=10
    )
    return (
        sample.replace(ADDRESS, stack.url).replace(PICTURE, name).replace(JOB_ID, listed.json()["data"][0]["id"])
    )


def test_the_samples_in_python_work(stack: Stack, tmp_path: Path) -> None:
    calls = [sample.python for name, sample in SAMPLES.items() if name != "cancelImageJob"]

    said = run(stack, tmp_path, sys.executable, "-c", filled_in(stack, "\n".join([PYTHON, *calls])))

    assert re.search(rf"{stack.url}/files/img-\w+\.png", said)
    assert "event: completed" in said
    assert (tmp_path / "lighthouse.png").read_bytes().startswith(b"\x89PNG")


def test_the_samples_in_curl_work(stack: Stack, tmp_path: Path) -> None:
    calls = [
        sample.curl.replace("curl", "curl -fsS", 1) for name, sample in SAMPLES.items() if name != "cancelImageJob"
    ]

    said = run(stack, tmp_path, "sh", "-euc", filled_in(stack, "\n".join(calls)))

    assert f"{stack.url}/files/img-" in said
    assert "event: completed" in said
    assert (tmp_path / "lighthouse.png").read_bytes().startswith(b"\x89PNG")
