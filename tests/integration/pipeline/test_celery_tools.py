"""Celery's own tools, as they come, against our workers."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests
from sqlalchemy import select

from core.bootstrap import Services
from core.orm import Job
from sandbox import ports
from tests.stack import Stack, until

CELERY = (sys.executable, "-m", "celery")


def celery(environment: dict[str, str], worker: str, *words: str) -> Any:
    """What a command answers, by worker; it returns once this one has answered."""
    options = ("--timeout", "10", "--json", "--destination", worker)
    command = [*CELERY, "--broker", environment["REDIS_URL"], *words, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@contextmanager
def flower(environment: dict[str, str]) -> Iterator[str]:
    """The address of a Flower that answers."""
    port = ports.choose(())
    command = [*CELERY, "--broker", environment["REDIS_URL"], "flower", "--address=127.0.0.1", f"--port={port}"]
    variables = {**os.environ, "FLOWER_UNAUTHENTICATED_API": "true"}
    with subprocess.Popen(command, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            until(lambda: get(f"http://127.0.0.1:{port}/api/workers") is not None, "Flower answers")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def get(address: str) -> Any:
    try:
        answer = requests.get(address, timeout=10)
    except requests.ConnectionError:
        return None
    return answer.json() if answer.ok else None


def job_id(services: Services) -> str:
    with services.database.transaction() as session:
        return str(session.scalars(select(Job.id).order_by(Job.id.desc()).limit(1)).one())


def test_inspect_names_workers_and_the_jobs_they_are_at(
    stack: Stack, services: Services, environment: dict[str, str]
) -> None:
    stack.start("simulator", "api", "worker")
    name = f"openai-{stack.pid('worker')}@{os.uname().nodename}"
    stack.control("PUT", "/latency", seconds=10)
    stack.generate()
    until(lambda: "job.claimed" in stack.log("worker"), "the job is being made")

    active = celery(environment, name, "inspect", "active")
    stats = celery(environment, name, "inspect", "stats")
    assert celery(environment, name, "inspect", "ping") == {name: {"ok": "pong"}}

    (task,) = active[name]
    assert (task["name"], task["args"]) == ("darkroom.render", [job_id(services)])
    assert stats[name]["total"] == {"darkroom.render": 1}
    assert stats[name]["pool"]["max-concurrency"] == 500


def test_flower_shows_workers_and_on_request_their_tasks(
    stack: Stack, services: Services, environment: dict[str, str]
) -> None:
    stack.start("simulator", "api", "worker")
    name = f"openai-{stack.pid('worker')}@{os.uname().nodename}"
    with flower(environment) as address:
        until(lambda: name in (get(f"{address}/api/workers?refresh=true") or {}), "Flower knows the worker")
        worker = get(f"{address}/api/workers")[name]
        celery(environment, name, "control", "enable_events")
        assert stack.generate().result(timeout=60).data
        until(lambda: get(f"{address}/api/tasks?state=SUCCESS"), "Flower saw the task")
        (task,) = get(f"{address}/api/tasks").values()

    assert [queue["name"] for queue in worker["active_queues"]] == ["openai"]
    assert worker["registered"] == ["darkroom.render"]
    assert (task["name"], task["args"], task["worker"]) == ("darkroom.render", job_id(services), name)
