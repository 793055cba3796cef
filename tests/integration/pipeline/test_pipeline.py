"""A request through real processes, while parts of the house fall over."""

from concurrent.futures import Future
from io import BytesIO
from typing import Any
from uuid import UUID

import pytest
import requests
from openai import APIStatusError
from openai.types import ImagesResponse
from PIL import Image
from redis import Redis
from sqlalchemy import func, select, text

from core import calls
from core.bootstrap import Services
from core.orm import HeldPicture, Job
from core.states import SETTLED, CallOutcome, JobState
from tests import builders
from tests.stack import Stack, kill_server, until

ALL = ("simulator", "api", "worker", "scheduler")


def jobs(services: Services) -> list[Job]:
    with services.database.transaction() as session:
        return list(session.scalars(select(Job).order_by(Job.id)))


def outcomes(services: Services, job_id: UUID) -> list[CallOutcome]:
    with services.database.transaction() as session:
        return [call.outcome for call in calls.of_job(session, job_id)]


def is_png(call: Future[ImagesResponse], size: tuple[int, int] = (256, 256)) -> bool:
    """Whether the call was answered with a URL that opens as a picture of that size."""
    data = call.result(timeout=100).data
    assert data
    assert data[0].url
    with Image.open(BytesIO(requests.get(data[0].url, timeout=10).content)) as picture:
        return (picture.format, picture.size) == ("PNG", size)


def test_the_official_client_gets_a_picture_of_the_exact_size(stack: Stack) -> None:
    stack.start(*ALL)

    call = stack.generate(model="dall-e-3", prompt="a serene lake", size="1792x1024", quality="hd")

    assert is_png(call, (1792, 1024))
    (picture,) = call.result().data or []
    assert picture.revised_prompt == "a serene lake"
    assert stack.control("GET", "/charges")[0]["size"] == "1792x1024"


def test_a_message_delivered_twice_makes_one_provider_call(stack: Stack, services: Services) -> None:
    stack.start("simulator", "api", "scheduler")
    call = stack.generate()
    until(lambda: [job.state for job in jobs(services)] == [JobState.DISPATCHED], "the job is dispatched")
    (job,) = jobs(services)

    services.broker.publish("openai", [job.id, job.id, job.id])
    stack.start("worker")

    assert is_png(call)
    until(lambda: stack.log("worker").count("job.not_claimed") == 3, "every message was looked at")
    assert stack.charges() == 1


def test_a_worker_killed_before_its_call_arrived_is_replaced(stack: Stack, services: Services) -> None:
    stack.start(*ALL)
    stack.provider_line.silence()
    call = stack.generate()
    until(lambda: [job.state for job in jobs(services)] == [JobState.RUNNING], "the job is claimed")

    stack.kill("worker")
    stack.provider_line.cut()
    stack.provider_line.restore()
    stack.start("worker")

    assert is_png(call)
    assert outcomes(services, jobs(services)[0].id) == [CallOutcome.UNKNOWN, CallOutcome.DELIVERED]
    assert stack.charges() == 1


def test_a_worker_killed_before_its_picture_was_stored_is_replaced(stack: Stack, services: Services) -> None:
    stack.start(*ALL)
    stack.store_line.silence()
    call = stack.generate()
    until(lambda: stack.charges() == 1, "the provider made the picture")

    stack.kill("worker")
    stack.store_line.cut()
    stack.store_line.restore()
    stack.start("worker")

    assert is_png(call)
    (job,) = jobs(services)
    assert (job.attempt, job.failures) == (2, 1)
    assert outcomes(services, job.id) == [CallOutcome.UNKNOWN, CallOutcome.DELIVERED]


def test_a_flushed_broker_loses_no_job(stack: Stack, services: Services, environment: dict[str, str]) -> None:
    builders.register(services, slots=4)
    stack.start("simulator", "api", "scheduler")
    waiting = [stack.generate(prompt=f"lighthouse {number}") for number in range(20)]
    until(lambda: len(jobs(services)) == 20, "all are recorded")

    with Redis.from_url(environment["REDIS_URL"]) as redis:
        redis.flushall()
    stack.start("worker")

    assert all(is_png(call) for call in waiting)
    assert stack.charges() == 20
    assert {job.state for job in jobs(services)} == {JobState.COMPLETED}


def test_a_request_without_a_broker_is_recorded_and_ends_when_it_is_back(stack: Stack, services: Services) -> None:
    stack.start(*ALL)
    stack.broker_line.cut()
    call = stack.generate()
    until(lambda: len(jobs(services)) == 1, "the job is recorded")

    stack.broker_line.restore()

    assert is_png(call)
    assert stack.charges() == 1


def test_a_worker_hears_again_after_the_broker_was_killed(
    stack: Stack, services: Services, servers: dict[str, Any]
) -> None:
    stack.start(*ALL)
    assert is_png(stack.generate(prompt="before"))

    kill_server(servers, "valkey")

    assert is_png(stack.generate(prompt="after"))
    assert {job.state for job in jobs(services)} == {JobState.COMPLETED}


def test_restarting_postgres_under_load_loses_no_accepted_job(
    stack: Stack, services: Services, servers: dict[str, Any]
) -> None:
    stack.start(*ALL)
    stack.control("PUT", "/latency", seconds=0.3)
    calls_before = [stack.generate(prompt=f"before {number}") for number in range(20)]

    kill_server(servers, "postgres")
    calls_after = [stack.generate(prompt=f"after {number}") for number in range(20)]

    answered = [call.exception(timeout=100) for call in calls_before + calls_after]
    refused = [error for error in answered if error]
    assert {type(error).__mro__[1] for error in refused} <= {APIStatusError}
    assert {error.status_code for error in refused if isinstance(error, APIStatusError)} <= {503}
    until(lambda: all(job.state in SETTLED for job in jobs(services)), "every recorded job ended")
    assert len(jobs(services)) >= len(answered) - len(refused)
    assert {job.state for job in jobs(services)} == {JobState.COMPLETED}


def test_a_picture_outlives_a_store_that_is_away(stack: Stack, services: Services) -> None:
    stack.start(*ALL)
    stack.store_line.cut()
    call = stack.generate()

    def held() -> int | None:
        with services.database.transaction() as session:
            return session.scalar(select(func.count()).select_from(HeldPicture))

    until(held, "the picture is held")
    stack.store_line.restore()

    assert is_png(call)
    assert stack.charges() == 1
    assert held() == 0


def test_a_client_that_goes_away_changes_nothing_for_its_job(stack: Stack, services: Services) -> None:
    stack.start(*ALL)
    stack.control("PUT", "/latency", seconds=2)
    with pytest.raises(requests.ReadTimeout):
        requests.post(
            f"{stack.url}/v1/images/generations",
            json={"model": "dall-e-2", "prompt": "nobody waits", "size": "256x256"},
            headers={"Authorization": f"Bearer {stack.key}"},
            timeout=0.5,
        )

    until(lambda: [job.state for job in jobs(services)] == [JobState.COMPLETED], "the job ended")
    assert stack.charges() == 1


def test_waiting_calls_hold_no_database_connection(stack: Stack, services: Services) -> None:
    stack.start(*ALL)
    stack.control("PUT", "/latency", seconds=4)
    waiting = [stack.generate(prompt=f"lighthouse {number}") for number in range(60)]
    until(lambda: stack.charges() == 60, "all are being made")

    with services.database.transaction() as session:
        busy = session.scalar(
            text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle'")
        )

    assert busy <= 3  # this query, and what moves by itself now and then
    assert all(is_png(call) for call in waiting)


def test_the_request_id_is_on_every_line_about_the_job(stack: Stack, services: Services) -> None:
    stack.start(*ALL)
    assert is_png(stack.generate())

    (job,) = jobs(services)
    for part in ("api", "worker"):
        about = [line for line in stack.log(part).splitlines() if str(job.id) in line]
        assert about
        assert all(job.request_id in line for line in about)
