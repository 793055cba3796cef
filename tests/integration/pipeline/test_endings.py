"""Processes that are told to end while somebody waits for them."""

import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import requests
from openai import InternalServerError
from sqlalchemy import select

from core import users
from core.bootstrap import Services
from core.orm import Job, JobEvent, ProviderCall
from core.states import CallOutcome, Event, Role
from tests import builders
from tests.stack import Stack, until

# What every line of a job's way has.
NAMES = ("job_id", "attempt", "provider", "request_id")


def events(services: Services) -> list[Event]:
    with services.database.transaction() as session:
        return list(session.scalars(select(JobEvent.event).order_by(JobEvent.id)))


def outcomes(services: Services) -> list[CallOutcome]:
    with services.database.transaction() as session:
        return list(session.scalars(select(ProviderCall.outcome)))


def failures(services: Services) -> list[int]:
    with services.database.transaction() as session:
        return list(session.scalars(select(Job.failures)))


def test_an_accepted_order_is_handed_over_at_once_and_asked_after_by_the_next_worker(
    environment: dict[str, str], services: Services, tmp_path: Path
) -> None:
    key, _ = builders.make_caller(services)
    builders.register(services, provider="bfl", slots=4)
    with Stack(tmp_path, environment, key=key, provider="bfl") as stack:
        stack.start("simulator", "api", "worker")
        stack.control("PUT", "/latency", seconds=6)
        call = stack.generate(model="flux-1-pro", size="1024x1024")
        until(lambda: outcomes(services) == [CallOutcome.ACCEPTED], "the order is accepted")

        stack.stop("worker")
        stack.start("second worker")

        assert call.result(timeout=60).data
        assert (outcomes(services), stack.charges()) == ([CallOutcome.DELIVERED], 1)
        assert events(services).count(Event.HANDED_OVER) == 1
        assert failures(services) == [0]


def test_a_worker_that_is_told_to_end_twice_ends_at_once_and_its_call_is_in_doubt(
    stack: Stack, services: Services
) -> None:
    stack.start("simulator", "api", "worker", "scheduler")
    stack.control("PUT", "/latency", seconds=6)
    call = stack.generate()
    until(lambda: stack.control("GET", "/state")["in_flight"], "the provider is at work")

    os.kill(stack.pid("worker"), signal.SIGTERM)
    until(lambda: "Warm shutdown" in stack.log("worker"), "it has heard")
    os.kill(stack.pid("worker"), signal.SIGTERM)

    until(lambda: "job.abandoned" in stack.log("worker"), "it has left its job")
    until(lambda: stack.lines("scheduler", "job.rescued"), "the job is rescued")
    for line in (*stack.lines("worker", "job.abandoned"), *stack.lines("scheduler", "job.rescued")):
        [claimed] = stack.lines("worker", "job.claimed")
        assert {name: line[name] for name in NAMES} == {name: claimed[name] for name in NAMES}
    stack.start("second worker")
    assert call.result(timeout=60).data
    assert Counter(outcomes(services)) == Counter((CallOutcome.UNKNOWN, CallOutcome.DELIVERED))


def test_a_process_of_the_api_is_not_ready_before_it_sends_its_callers_away(
    environment: dict[str, str], services: Services, tmp_path: Path
) -> None:
    key, _ = builders.make_caller(services)
    builders.register(services)
    with Stack(tmp_path, {**environment, "DARKROOM_DRAIN_SECONDS": "10"}, key=key) as stack:
        stack.start("api")
        call = stack.generate()
        until(lambda: events(services), "it is recorded")

        os.kill(stack.pid("api"), signal.SIGTERM)

        until(lambda: requests.get(f"{stack.url}/health/ready", timeout=5).status_code == 503, "it is not ready")
        assert requests.get(f"{stack.url}/health/live", timeout=5).ok
        assert not call.done()
        with pytest.raises(InternalServerError) as sent_away:
            call.result(timeout=60)
        assert sent_away.value.code == "restarting"
        assert sent_away.value.response.headers["x-should-retry"] == "true"


def test_streams_that_are_open_are_ended_in_order_with_the_process(stack: Stack, services: Services) -> None:
    stack.start("api")
    stack.generate()
    until(lambda: events(services), "there is a job to be followed")
    with services.database.transaction() as session:
        job_id = session.scalars(select(Job.id)).one()
        viewer = users.create(session, "ada", Role.VIEWER, "correct horse battery staple")
        cookie = users.sign_in(session, viewer, seconds=600).token

    with (
        open_stream(f"{stack.url}/v1/images/jobs/{job_id}/events", Authorization=f"Bearer {stack.key}") as of_job,
        open_stream(f"{stack.url}/ops/stream", Cookie=f"ops_session={cookie}") as of_dashboard,
    ):
        process = psutil.Process(stack.pid("api"))
        process.terminate()

        for stream in (of_job, of_dashboard):
            assert b"retry: 2000" in b"".join(stream.iter_content(None)), "one that is cut off would raise"
        assert process.wait(timeout=10) == 0


@contextmanager
def open_stream(address: str, **headers: str) -> Iterator[requests.Response]:
    with requests.get(address, headers=headers, stream=True, timeout=20) as response:
        assert response.headers["Content-Type"].startswith("text/event-stream")
        yield response
