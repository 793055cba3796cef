from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from core import results
from core.bootstrap import Services
from core.errors import Failure, FailureKind
from core.offers import WhenUnknown
from core.orm import Job
from core.states import CallOutcome, Event, JobState
from tests import builders
from tests.fakes import FakeProvider
from tests.integration.workers.attempts import DAMAGED, attempt, attempt_again, events_of, outcomes_of, result_of
from workers import retries
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


def delay_of(services: Services, job_id: UUID) -> timedelta:
    """From the end of the last attempt to the next one."""
    with services.database.transaction() as session:
        return session.get_one(Job, job_id).run_after - results.history(session, job_id)[-1].at


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
