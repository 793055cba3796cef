"""What one worker finds out about a provider, and all workers act upon."""

from collections.abc import Sequence
from datetime import timedelta
from unittest.mock import ANY
from uuid import UUID

import pytest
from redis import Redis

from core import admission, breaker
from core.bootstrap import Services
from core.errors import FailureKind
from core.orm import Provider, ProviderEvent
from core.rates import Standing
from core.settings import Settings
from core.states import JobState, ProviderEventKind
from tests import builders
from tests.fakes import FakeProvider
from workers.executor import Executor
from workers.pacing import Pacing
from workers.providers.errors import Misconfigured, Moderated, OutcomeUnknown, Throttled, Unavailable

OFTEN_ENOUGH = range(breaker.MOST_FAILURES)


def attempt(services: Services, provider: FakeProvider, job_id: UUID) -> None:
    Executor(services, provider, name="openai", worker="worker-1").execute(job_id)


def admit(services: Services) -> list[UUID]:
    return admission.admit(services.database, "openai")


def history(services: Services) -> Sequence[ProviderEvent]:
    with services.database.transaction() as session:
        return breaker.history(session).get("openai", [])


def rest_is_over(services: Services) -> None:
    """As if the time had passed until the provider may be tried again."""
    with services.database.transaction() as session:
        row = session.get_one(Provider, "openai")
        assert row.open_until
        row.open_until -= breaker.LONGEST_REST


def take_out(services: Services, trouble: Exception) -> None:
    jobs = [builders.make_job(services) for _ in OFTEN_ENOUGH]
    for job_id in jobs:
        attempt(services, FakeProvider(trouble), job_id)


@pytest.mark.parametrize("trouble", [Unavailable("503"), Misconfigured("401"), OutcomeUnknown("no answer")])
def test_a_provider_that_keeps_failing_is_taken_out(services: Services, trouble: Exception) -> None:
    take_out(services, trouble)
    builders.make_job(services, admit=False)

    assert admit(services) == []
    assert [event.event for event in history(services)] == [ProviderEventKind.TAKEN_OUT]


def test_refusals_are_no_trouble(services: Services) -> None:
    take_out(services, Moderated("no"))

    assert history(services) == []


def test_a_single_job_tries_whether_the_provider_is_back(services: Services) -> None:
    take_out(services, Misconfigured("401"))
    waiting = [builders.make_job(services, admit=False) for _ in range(3)]
    rest_is_over(services)

    (probe,) = admit(services)
    assert admit(services) == []
    attempt(services, FakeProvider(), probe)

    assert builders.state_of(services, probe) is JobState.COMPLETED
    assert all(builders.state_of(services, job) is not JobState.QUEUED for job in waiting)


def test_a_probe_that_fails_doubles_the_rest(services: Services) -> None:
    take_out(services, Misconfigured("401"))
    rest_is_over(services)
    builders.make_job(services, admit=False)

    (probe,) = admit(services)
    attempt(services, FakeProvider(Unavailable("503")), probe)

    with services.database.transaction() as session:
        row = session.get_one(Provider, "openai")
        assert row.open_until
        rest = row.open_until - builders.now(session)
    assert breaker.FIRST_REST * 1.8 < rest <= breaker.FIRST_REST * 2


def test_a_throttled_provider_is_left_alone_by_all_workers(services: Services) -> None:
    throttled = builders.make_job(services)
    other = builders.make_job(services, admit=False)

    attempt(services, FakeProvider(Throttled("429", retry_after=60)), throttled)

    assert admit(services) == []
    assert builders.job_of(services, other).attempt == 0
    assert builders.job_of(services, throttled).failures == 0


def test_jobs_that_were_admitted_before_a_pause_are_not_sent_into_it(services: Services) -> None:
    first, second = builders.make_job(services), builders.make_job(services)
    provider = FakeProvider(Throttled("429", retry_after=60))
    executor = Executor(services, provider, name="openai", worker="worker-1")

    executor.execute(first)
    executor.execute(second)

    assert len(provider.orders) == 1
    assert builders.job_of(services, second).failures == 0


def test_a_rate_is_kept_by_all_workers_together(settings: Settings) -> None:
    workers = [Pacing(settings.redis_url, "openai", "3/10 seconds") for _ in range(2)]
    for number in range(3):
        workers[number % 2].take()

    with pytest.raises(Throttled) as refused:
        workers[1].take()

    assert refused.value.retry_after
    assert 5 < refused.value.retry_after <= 10


def test_a_rate_is_changed_while_everything_runs_and_given_back(settings: Settings) -> None:
    pacing = Pacing(settings.redis_url, "openai", "1/hour")
    pacing.take()

    pacing.change("2/minute")
    pacing.take()
    pacing.take()
    with pytest.raises(Throttled):
        pacing.take()

    pacing.change(None)
    with pytest.raises(Throttled) as refused:
        pacing.take()
    assert (refused.value.retry_after or 0) > 60


def test_what_is_left_of_a_rate_can_be_read_by_others(services: Services) -> None:
    assert services.rates.headroom("openai", "3/minute") == Standing(3, 3, ANY, had_room=True)
    pacing = Pacing(services.settings.redis_url, "openai", "3/minute")
    pacing.take()
    assert services.rates.headroom("openai", "3/minute") == Standing(3, 2, ANY, had_room=True)

    for _ in range(2):
        pacing.take()

    assert services.rates.headroom("openai", "3/minute") == Standing(3, 0, ANY, had_room=False)


def test_a_flushed_broker_costs_exactness_and_nothing_else(settings: Settings) -> None:
    pacing = Pacing(settings.redis_url, "openai", "1/10 seconds")
    pacing.take()
    with Redis.from_url(settings.redis_url) as redis:
        redis.flushdb()

    pacing.take()

    with pytest.raises(Throttled):
        pacing.take()


def test_without_a_broker_every_call_gets_through() -> None:
    pacing = Pacing("redis://127.0.0.1:1/0", "openai", "1/10 seconds")

    for _ in range(3):
        pacing.take()


def test_pauses_are_never_shortened(services: Services) -> None:
    builders.register(services)
    with services.database.transaction() as session:
        breaker.pause(session, "openai", timedelta(minutes=5))
        breaker.pause(session, "openai", timedelta(seconds=1))

    with services.database.transaction() as session:
        row = session.get_one(Provider, "openai")
        assert row.paused_until
        assert row.paused_until - builders.now(session) > timedelta(minutes=4)


def test_what_was_under_way_when_it_was_taken_out_does_not_count_again(services: Services) -> None:
    take_out(services, Misconfigured("401"))

    with services.database.transaction() as session:
        for _ in range(20):
            breaker.report_failure(session, "openai", FailureKind.UNKNOWN)

    with services.database.transaction() as session:
        row = session.get_one(Provider, "openai")
        assert row.failures == breaker.MOST_FAILURES
        assert row.open_until
        assert row.open_until - builders.now(session) <= breaker.FIRST_REST
