from typing import Any

import pytest
from structlog.testing import capture_logs

from core.bootstrap import Services
from core.states import CallOutcome, Event, JobState
from tests import builders
from tests.fakes import FakeProvider
from tests.integration.workers.attempts import (
    DAMAGED,
    attempt,
    attempt_again,
    events_of,
    outcomes_of,
    result_of,
    stored_pictures,
)
from tests.stack import kill_server
from workers.executor import Executor
from workers.providers.base import RawPicture
from workers.providers.errors import Moderated, Unavailable


def test_a_job_becomes_a_picture_in_the_store_and_on_the_ledger(services: Services) -> None:
    job_id, provider = builders.make_job(services), FakeProvider()

    attempt(services, provider, job_id)

    [image] = result_of(services, job_id).images
    assert builders.state_of(services, job_id) is JobState.COMPLETED
    assert events_of(services, job_id) == [Event.RECORDED, Event.ADMITTED, Event.CLAIMED, Event.COMPLETED]
    assert outcomes_of(services, job_id) == [CallOutcome.DELIVERED]
    assert image.revised_prompt == "picture 1"
    assert services.storage.read(image.object_key) == provider.made[0]


def test_the_order_says_what_the_caller_asked_of_the_upstream_model(services: Services) -> None:
    job_id, provider = builders.make_job(services, n=2), FakeProvider()
    asked = builders.make_request(n=2)

    attempt(services, provider, job_id)

    [order] = provider.orders
    assert order.upstream_model == builders.job_of(services, job_id).upstream_model
    assert (order.prompt, order.n, order.size) == (asked.prompt, 2, asked.size)
    assert (order.quality, order.style) == (asked.quality, asked.style)


def test_whoever_listens_hears_of_the_settled_job(services: Services) -> None:
    job_id = builders.make_job(services)
    heard = services.notifier.listen()
    assert next(heard) is None

    attempt(services, FakeProvider(), job_id)

    assert next(heard) == job_id


def test_pictures_stay_in_the_order_in_which_they_came(services: Services) -> None:
    job_id, provider = builders.make_job(services, n=3), FakeProvider()

    attempt(services, provider, job_id)

    images = result_of(services, job_id).images
    assert [image.revised_prompt for image in images] == ["picture 1", "picture 2", "picture 3"]
    assert stored_pictures(services, job_id) == provider.made


def test_where_fewer_pictures_came_only_the_rest_is_ordered_and_all_are_kept(services: Services) -> None:
    job_id, provider = builders.make_job(services, n=3), FakeProvider(1)

    attempt(services, provider, job_id)
    assert builders.state_of(services, job_id) is JobState.QUEUED
    attempt_again(services, provider, job_id)

    assert [order.n for order in provider.orders] == [3, 2]
    assert outcomes_of(services, job_id) == [CallOutcome.DELIVERED, CallOutcome.DELIVERED]
    assert stored_pictures(services, job_id) == provider.made
    assert builders.state_of(services, job_id) is JobState.COMPLETED


def test_more_pictures_than_ordered_are_left_alone(services: Services) -> None:
    job_id, provider = builders.make_job(services, n=2), FakeProvider(5)

    attempt(services, provider, job_id)

    assert stored_pictures(services, job_id) == provider.made[:2]
    assert builders.state_of(services, job_id) is JobState.COMPLETED


def test_a_postgres_that_goes_away_between_answer_and_end_is_outlived(
    services: Services, servers: dict[str, Any]
) -> None:
    job_id = builders.make_job(services)
    provider = FakeProvider(lambda: kill_server(servers, "postgres"))

    attempt(services, provider, job_id)

    assert builders.state_of(services, job_id) is JobState.COMPLETED
    assert stored_pictures(services, job_id) == provider.made
    assert outcomes_of(services, job_id) == [CallOutcome.DELIVERED]


@pytest.mark.parametrize("script", [[], [Moderated("safety")], [Unavailable("503")]])
def test_a_slot_that_falls_free_goes_to_the_next_job(services: Services, script: list[Exception]) -> None:
    builders.register(services, slots=1)
    job_id = builders.make_job(services)
    waiting = [builders.make_job(services, admit=False) for _ in range(2)]

    attempt(services, FakeProvider(*script), job_id)

    assert [builders.state_of(services, job_id) for job_id in waiting] == [JobState.DISPATCHED, JobState.QUEUED]
    assert services.broker.waiting("openai") == 1


@pytest.mark.parametrize("script", [[], [Unavailable("503")], [DAMAGED], [ZeroDivisionError()]])
def test_no_line_of_the_log_tells_the_prompt_or_a_key(services: Services, script: list[Any]) -> None:
    job_id = builders.make_job(services)

    with capture_logs() as lines:
        attempt(services, FakeProvider(*script), job_id)

    assert {line["event"] for line in lines} >= {"job.claimed", "job.attempt_ended"}
    assert builders.make_request().prompt not in str(lines)
    assert "sk-test-upstream" not in str(lines)


def test_an_answer_that_cannot_be_settled_ends_its_job_and_its_lease(services: Services) -> None:
    job_id = builders.make_job(services)
    picture = FakeProvider().draw(builders.SMALL).data
    provider = FakeProvider([RawPicture(picture, revised_prompt="not \0 text")])
    executor = Executor(services, provider, name="openai", worker="worker-1")

    executor.execute(job_id)

    assert builders.state_of(services, job_id) is JobState.FAILED
    assert executor.running() == []


def test_an_answer_without_any_picture_is_asked_for_again(services: Services) -> None:
    job_id = builders.make_job(services)
    provider = FakeProvider(0)

    attempt(services, provider, job_id)
    attempt_again(services, provider, job_id)

    assert builders.state_of(services, job_id) is JobState.COMPLETED
