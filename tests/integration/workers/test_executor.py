from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select
from structlog.testing import capture_logs

from core import admission, calls, ledger, results
from core.bootstrap import Services
from core.errors import Failure, FailureKind
from core.offers import WhenUnknown
from core.orm import HeldPicture, Job, ProviderCall
from core.results import Result
from core.states import CallOutcome, Event, JobState
from core.storage import Storage
from tests import builders
from tests.fakes import FakeProvider
from tests.stack import kill_server
from workers import retries
from workers.executor import Executor
from workers.providers.base import RawPicture
from workers.providers.errors import (
    Misconfigured,
    Moderated,
    OutcomeUnknown,
    ProviderError,
    Rejected,
    Throttled,
    Unavailable,
)
from workers.retries import Retry

MOMENT = timedelta(seconds=0.5)
DAMAGED = [RawPicture(b"\x89PNG\r\n\x1a\n, and no more")]


def attempt(services: Services, provider: FakeProvider, job_id: UUID, *, worker: str = "worker-1") -> None:
    Executor(services, provider, name="openai", worker=worker).execute(job_id)


def attempt_again(services: Services, provider: FakeProvider, job_id: UUID) -> None:
    builders.make_due(services, job_id)
    attempt(services, provider, job_id)


def overtake(services: Services, job_id: UUID) -> None:
    """Rescue the job from its worker and dispatch it to the next."""
    builders.lose_lease(services, job_id)
    with services.database.transaction() as session:
        assert ledger.rescue(session) == [job_id]
    assert admission.admit(services.database, "openai") == [job_id]


def cancel(services: Services, job_id: UUID) -> None:
    with services.database.transaction() as session:
        assert ledger.cancel(session, job_id)


def events_of(services: Services, job_id: UUID) -> list[Event]:
    with services.database.transaction() as session:
        return [event.event for event in results.history(session, job_id)]


def calls_of(services: Services, job_id: UUID) -> list[ProviderCall]:
    with services.database.transaction() as session:
        return calls.of_job(session, job_id)


def outcomes_of(services: Services, job_id: UUID) -> list[CallOutcome]:
    return [call.outcome for call in calls_of(services, job_id)]


def held_positions(services: Services, job_id: UUID) -> list[int]:
    with services.database.transaction() as session:
        held = select(HeldPicture.position).where(HeldPicture.job_id == job_id)
        return sorted(session.scalars(held))


def result_of(services: Services, job_id: UUID) -> Result:
    with services.database.transaction() as session:
        return results.of_jobs(session, [job_id])[job_id]


def stored_pictures(services: Services, job_id: UUID) -> list[bytes]:
    return [services.storage.read(image.object_key) for image in result_of(services, job_id).images]


def delay_of(services: Services, job_id: UUID) -> timedelta:
    """From the end of the last attempt to the next one."""
    with services.database.transaction() as session:
        return session.get_one(Job, job_id).run_after - results.history(session, job_id)[-1].at


@pytest.fixture
def storeless(services: Services) -> Services:
    """The same services, but for a store where nobody listens."""
    return replace(services, storage=Storage("http://127.0.0.1:1", "access", "secret", bucket="none"))


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


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (Rejected("no such size"), CallOutcome.REFUSED),
        (Moderated("safety"), CallOutcome.REFUSED),
        (Misconfigured("401"), CallOutcome.FAILED),
    ],
)
def test_what_no_repetition_mends_fails_the_job_at_once(
    services: Services, error: ProviderError, outcome: CallOutcome
) -> None:
    job_id = builders.make_job(services)

    attempt(services, FakeProvider(error), job_id)

    assert result_of(services, job_id).failure == Failure(error.kind, error.public)
    assert events_of(services, job_id)[-1] is Event.FAILED
    assert outcomes_of(services, job_id) == [outcome]


@pytest.mark.parametrize(
    ("error", "outcome", "retry"),
    [
        (Unavailable("503"), CallOutcome.FAILED, Retry(timedelta(seconds=1), counts=True)),
        (OutcomeUnknown("reset"), CallOutcome.UNKNOWN, Retry(timedelta(seconds=1), counts=True)),
        (Throttled("429", retry_after=17), CallOutcome.FAILED, Retry(timedelta(seconds=17), counts=False)),
        (Throttled("429"), CallOutcome.FAILED, Retry(timedelta(seconds=4), counts=False)),
    ],
)
def test_what_may_pass_is_tried_again_later(
    services: Services, error: ProviderError, outcome: CallOutcome, retry: Retry
) -> None:
    job_id, provider = builders.make_job(services), FakeProvider(error)

    attempt(services, provider, job_id)
    job = builders.job_of(services, job_id)

    assert (job.state, job.failures, job.lease_until) == (JobState.QUEUED, int(retry.counts), None)
    assert retry.delay * 0.75 - MOMENT <= delay_of(services, job_id) <= retry.delay * 1.25 + MOMENT
    assert outcomes_of(services, job_id) == [outcome]
    attempt_again(services, provider, job_id)
    assert builders.state_of(services, job_id) is JobState.COMPLETED


@pytest.mark.parametrize("pause", [1e9, 7200.0])
def test_a_pause_beyond_all_patience_fails_the_job(services: Services, pause: float) -> None:
    job_id = builders.make_job(services)

    attempt(services, FakeProvider(Throttled("429", retry_after=pause)), job_id)

    assert result_of(services, job_id).failure == Failure(FailureKind.THROTTLED, Throttled.public)


def test_attempts_that_are_used_up_fail_the_job_with_the_last_reason(services: Services) -> None:
    job_id = builders.make_job(services)
    provider = FakeProvider(*[Unavailable("503")] * retries.MOST_FAILURES)

    attempt(services, provider, job_id)
    for _ in range(retries.MOST_FAILURES - 1):
        attempt_again(services, provider, job_id)

    assert result_of(services, job_id).failure == Failure(FailureKind.UNAVAILABLE, Unavailable.public)
    assert outcomes_of(services, job_id) == [CallOutcome.FAILED] * retries.MOST_FAILURES


@pytest.mark.parametrize("lost", [OutcomeUnknown("reset"), DAMAGED])
def test_a_second_lost_answer_fails_the_job_with_money_in_doubt(services: Services, lost: Any) -> None:
    job_id, provider = builders.make_job(services), FakeProvider(lost, lost)

    attempt(services, provider, job_id)
    attempt_again(services, provider, job_id)

    assert result_of(services, job_id).failure == Failure(FailureKind.UNKNOWN, OutcomeUnknown.public)
    assert outcomes_of(services, job_id) == [CallOutcome.UNKNOWN, CallOutcome.UNKNOWN]
    assert len(provider.orders) == retries.MOST_UNKNOWN[WhenUnknown.RETRY]


def test_an_error_of_ours_fails_the_job_and_is_logged_whole(services: Services) -> None:
    job_id = builders.make_job(services)

    with capture_logs() as lines:
        attempt(services, FakeProvider(ZeroDivisionError("ours")), job_id)

    failure = result_of(services, job_id).failure
    assert failure
    assert failure.kind is FailureKind.INTERNAL
    assert "ours" not in failure.message
    assert outcomes_of(services, job_id) == [CallOutcome.UNKNOWN]
    assert [line["exc_info"] for line in lines if line["event"] == "job.crashed"] == [True]


def test_a_picture_that_the_store_did_not_take_is_stored_later_and_not_bought_again(
    services: Services, storeless: Services
) -> None:
    job_id, provider = builders.make_job(services, n=2), FakeProvider()

    attempt(storeless, provider, job_id)
    assert builders.state_of(services, job_id) is JobState.QUEUED
    assert held_positions(services, job_id) == [0, 1]
    attempt_again(services, provider, job_id)

    assert stored_pictures(services, job_id) == provider.made
    assert (len(provider.orders), outcomes_of(services, job_id)) == (1, [CallOutcome.DELIVERED])
    assert [image.revised_prompt for image in result_of(services, job_id).images] == ["picture 1", "picture 2"]
    assert held_positions(services, job_id) == []


def test_a_held_picture_is_stored_whatever_becomes_of_the_rest(services: Services, storeless: Services) -> None:
    job_id, provider = builders.make_job(services, n=2), FakeProvider(1, Unavailable("503"))

    attempt(storeless, provider, job_id)
    attempt_again(services, provider, job_id)
    assert held_positions(services, job_id) == []
    attempt_again(services, provider, job_id)

    assert [order.n for order in provider.orders] == [2, 1, 1]
    assert stored_pictures(services, job_id) == provider.made


def test_a_store_that_stays_away_fails_the_job_and_lets_its_pictures_go(
    services: Services, storeless: Services
) -> None:
    job_id, provider = builders.make_job(services), FakeProvider()

    attempt(storeless, provider, job_id)
    for _ in range(retries.MOST_STORE_FAILURES - 1):
        attempt_again(storeless, provider, job_id)

    failure = result_of(services, job_id).failure
    assert failure
    assert failure.kind is FailureKind.STORE
    assert len(provider.orders) == 1
    assert held_positions(services, job_id) == []


def test_a_message_delivered_twice_makes_one_provider_call(services: Services) -> None:
    job_id, provider = builders.make_job(services), FakeProvider()

    attempt(services, provider, job_id)
    attempt(services, provider, job_id, worker="worker-2")

    assert len(provider.orders) == 1
    assert events_of(services, job_id).count(Event.CLAIMED) == 1


@pytest.mark.parametrize("worker", ["worker-1", "worker-2"])
def test_a_message_that_comes_again_while_the_job_runs_makes_no_call(services: Services, worker: str) -> None:
    job_id, second = builders.make_job(services), FakeProvider()
    first = FakeProvider(lambda: attempt(services, second, job_id, worker=worker))

    attempt(services, first, job_id)

    assert (len(first.orders), len(second.orders)) == (1, 0)
    assert outcomes_of(services, job_id) == [CallOutcome.DELIVERED]
    assert builders.state_of(services, job_id) is JobState.COMPLETED


def test_a_late_worker_cannot_settle_a_newer_attempt(services: Services) -> None:
    job_id = builders.make_job(services)

    def lose() -> None:
        overtake(services, job_id)
        builders.claim(services, job_id, worker="worker-2")

    attempt(services, FakeProvider(lose), job_id)

    job = builders.job_of(services, job_id)
    assert (job.state, job.attempt, job.worker) == (JobState.RUNNING, 2, "worker-2")
    assert outcomes_of(services, job_id) == [CallOutcome.DELIVERED]


@pytest.mark.parametrize("error", [Moderated("safety"), Unavailable("503"), ZeroDivisionError()])
def test_a_late_worker_cannot_fail_or_requeue_a_newer_attempt(services: Services, error: Exception) -> None:
    job_id = builders.make_job(services)

    def lose() -> None:
        overtake(services, job_id)
        builders.claim(services, job_id, worker="worker-2")
        raise error

    attempt(services, FakeProvider(lose), job_id)

    job = builders.job_of(services, job_id)
    assert (job.state, job.attempt, job.failures) == (JobState.RUNNING, 2, 1)


def test_what_a_late_worker_brings_is_dropped(services: Services) -> None:
    job_id, newer = builders.make_job(services), FakeProvider()

    def lose() -> None:
        overtake(services, job_id)
        attempt(services, newer, job_id, worker="worker-2")

    attempt(services, FakeProvider(lose), job_id)

    assert stored_pictures(services, job_id) == newer.made
    assert outcomes_of(services, job_id) == [CallOutcome.DELIVERED, CallOutcome.DELIVERED]
    assert events_of(services, job_id).count(Event.COMPLETED) == 1


def test_a_late_worker_without_a_store_holds_nothing(services: Services, storeless: Services) -> None:
    job_id = builders.make_job(services)

    def lose() -> None:
        overtake(services, job_id)
        builders.claim(services, job_id, worker="worker-2")

    attempt(storeless, FakeProvider(lose), job_id)

    assert builders.state_of(services, job_id) is JobState.RUNNING
    assert held_positions(services, job_id) == []


def test_the_pictures_of_a_job_cancelled_meanwhile_are_dropped(services: Services) -> None:
    job_id = builders.make_job(services)

    attempt(services, FakeProvider(lambda: cancel(services, job_id)), job_id)

    assert builders.state_of(services, job_id) is JobState.CANCELLED
    assert result_of(services, job_id).images == []
    assert outcomes_of(services, job_id) == [CallOutcome.DELIVERED]


def test_a_call_whose_worker_was_lost_is_money_in_doubt_and_made_once_more(services: Services) -> None:
    job_id, provider = builders.make_job(services), FakeProvider()

    class Died(BaseException):
        pass

    with pytest.raises(Died):
        attempt(services, FakeProvider(lambda: _raise(Died())), job_id)
    overtake(services, job_id)
    attempt(services, provider, job_id)

    assert outcomes_of(services, job_id) == [CallOutcome.UNKNOWN, CallOutcome.DELIVERED]
    assert stored_pictures(services, job_id) == provider.made


def _raise(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize("called", [True, False])
def test_a_job_that_kills_its_workers_is_given_up_without_another_call(
    services: Services, *, called: bool
) -> None:
    job_id, provider = builders.make_job(services), FakeProvider()
    most = retries.MOST_UNKNOWN[WhenUnknown.RETRY] if called else retries.MOST_FAILURES

    for _ in range(most):
        claim = builders.claim(services, job_id)
        if called:
            with services.database.transaction() as session:
                calls.open_call(session, claim, positions=[0])
        overtake(services, job_id)
    attempt(services, provider, job_id)

    failure = result_of(services, job_id).failure
    assert failure
    assert failure.kind is (FailureKind.UNKNOWN if called else FailureKind.LOST)
    assert provider.orders == []


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
