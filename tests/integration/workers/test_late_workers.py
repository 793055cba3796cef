from uuid import UUID

import pytest

from core import admission, calls, ledger
from core.bootstrap import Services
from core.errors import FailureKind
from core.offers import WhenUnknown
from core.states import CallOutcome, Event, JobState
from tests import builders
from tests.fakes import FakeProvider
from tests.integration.workers.attempts import (
    attempt,
    events_of,
    outcomes_of,
    overtake,
    result_of,
    stored_pictures,
)
from workers import retries
from workers.providers.errors import Moderated, Unavailable


def cancel(services: Services, job_id: UUID) -> None:
    with services.database.transaction() as session:
        assert ledger.cancel(session, job_id)


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


def test_the_pictures_of_a_job_cancelled_meanwhile_are_dropped(services: Services) -> None:
    job_id = builders.make_job(services)

    attempt(services, FakeProvider(lambda: cancel(services, job_id)), job_id)

    assert builders.state_of(services, job_id) is JobState.CANCELLED
    assert result_of(services, job_id).images == []
    assert outcomes_of(services, job_id) == [CallOutcome.DELIVERED]


@pytest.mark.parametrize("end", [None, Moderated("safety"), Unavailable("503"), ZeroDivisionError()])
def test_the_call_of_a_cancelled_job_keeps_its_slot_until_it_has_ended(
    services: Services, end: Exception | None
) -> None:
    job_id = builders.make_job(services)
    builders.register(services, slots=1)
    waiting = builders.make_job(services, admit=False)
    meanwhile: list[UUID] = []

    def call_off() -> None:
        cancel(services, job_id)
        meanwhile.extend(admission.admit(services.database, "openai"))
        if end:
            raise end

    attempt(services, FakeProvider(call_off), job_id)

    assert meanwhile == []
    assert builders.state_of(services, waiting) is JobState.DISPATCHED


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
