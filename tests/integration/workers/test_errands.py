"""Provider calls that are accepted, asked after and resumed, one by one and side by side."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select

from core import calls, images, ledger
from core.bootstrap import Services
from core.database import run
from core.errors import Failure, FailureKind
from core.orm import ProviderCall
from core.states import CallOutcome, JobState
from tests import builders
from tests.fakes import FakePollingProvider, FakeProvider
from workers.executor import Executor
from workers.providers.base import Pending, Provider
from workers.providers.errors import Moderated, TaskFailed, Unavailable

SOON = Pending()
FAILURE = Failure(FailureKind.UNAVAILABLE, "away")


class WorkerDied(BaseException):
    """As `kill -9`: nothing of the attempt's own runs after it."""


def die() -> None:
    raise WorkerDied


def attempt(services: Services, provider: Provider, job_id: UUID, *, worker: str = "worker-1") -> None:
    Executor(services, provider, name="openai", worker=worker).execute(job_id)


def attempt_again(services: Services, provider: Provider, job_id: UUID) -> None:
    builders.make_due(services, job_id)
    attempt(services, provider, job_id, worker="worker-2")


def calls_of(services: Services, job_id: UUID) -> list[ProviderCall]:
    with services.database.transaction() as session:
        return calls.of_job(session, job_id)


def handles(services: Services, job_id: UUID) -> list[dict[str, Any] | None]:
    return [call.handle for call in calls_of(services, job_id)]


def outcomes(services: Services, job_id: UUID) -> list[CallOutcome]:
    return [call.outcome for call in calls_of(services, job_id)]


def stored(services: Services, job_id: UUID) -> set[int]:
    with services.database.transaction() as session:
        return images.stored(session, job_id)


def test_the_handle_is_on_the_ledger_before_the_first_poll(services: Services) -> None:
    job_id = builders.make_job(services)
    seen: list[object] = []
    provider = FakePollingProvider(lambda: seen.extend(handles(services, job_id)))

    attempt(services, provider, job_id)

    assert seen == [{"task": 1}]
    assert outcomes(services, job_id) == [CallOutcome.DELIVERED]
    assert builders.state_of(services, job_id) is JobState.COMPLETED


def test_whoever_takes_a_job_over_asks_after_its_call_and_makes_no_other(services: Services) -> None:
    job_id = builders.make_job(services)
    provider = FakePollingProvider(SOON, die)
    try:
        attempt(services, provider, job_id)
    except WorkerDied:
        builders.lose_lease(services, job_id)
    with services.database.transaction() as session:
        assert [job.id for job in ledger.rescue(session)] == [job_id]

    attempt_again(services, provider, job_id)

    assert len(provider.orders) == 1
    assert provider.polled == [{"task": 1}] * 3
    assert outcomes(services, job_id) == [CallOutcome.DELIVERED]


def test_a_changed_handle_replaces_the_one_before(services: Services) -> None:
    job_id = builders.make_job(services)
    provider = FakePollingProvider(Pending(handle={"task": 1, "upscale": 7}))

    attempt(services, provider, job_id)

    assert provider.polled == [{"task": 1}, {"task": 1, "upscale": 7}]
    assert handles(services, job_id) == [{"task": 1, "upscale": 7}]


def test_a_poll_that_fails_is_no_reason_to_order_again(services: Services) -> None:
    job_id = builders.make_job(services)
    provider = FakePollingProvider(Unavailable("nobody there"), Unavailable("nor now"))

    attempt(services, provider, job_id)

    assert len(provider.orders) == 1
    assert builders.state_of(services, job_id) is JobState.COMPLETED


def test_a_task_that_came_to_nothing_is_ordered_anew_by_the_next_attempt(services: Services) -> None:
    job_id = builders.make_job(services)
    provider = FakePollingProvider(TaskFailed("gave up"))

    attempt(services, provider, job_id)
    attempt_again(services, provider, job_id)

    assert len(provider.orders) == 2
    assert outcomes(services, job_id) == [CallOutcome.FAILED, CallOutcome.DELIVERED]


def test_the_order_of_a_cancelled_job_is_asked_after_to_its_end(services: Services) -> None:
    job_id = builders.make_job(services)

    def cancel() -> None:
        with services.database.transaction() as session:
            assert ledger.cancel(session, job_id)

    provider = FakePollingProvider(SOON, cancel, SOON)
    attempt(services, provider, job_id)

    assert len(provider.polled) == 4
    assert outcomes(services, job_id) == [CallOutcome.DELIVERED]
    assert stored(services, job_id) == set()
    assert builders.state_of(services, job_id) is JobState.CANCELLED


def test_many_pictures_are_ordered_side_by_side_and_keep_their_places(services: Services) -> None:
    job_id = builders.make_job(services, n=4)
    provider = FakePollingProvider()

    attempt(services, provider, job_id)

    assert sorted(order.first for order in provider.orders) == [0, 1, 2, 3]
    assert stored(services, job_id) == {0, 1, 2, 3}
    assert builders.state_of(services, job_id) is JobState.COMPLETED


def test_only_what_is_missing_is_ordered_again(services: Services) -> None:
    job_id = builders.make_job(services, n=3)
    provider = FakePollingProvider(TaskFailed("one of the three"))

    attempt(services, provider, job_id)
    there = stored(services, job_id)
    attempt_again(services, provider, job_id)

    assert len(there) == 2
    assert [order.first for order in provider.orders[3:]] == list({0, 1, 2} - there)
    assert builders.state_of(services, job_id) is JobState.COMPLETED


def test_a_refusal_decides_over_what_might_be_mended(services: Services) -> None:
    job_id = builders.make_job(services, n=3)
    provider = FakePollingProvider(TaskFailed("later"), Moderated("never"))

    attempt(services, provider, job_id)

    job = builders.job_of(services, job_id)
    assert job.state is JobState.FAILED
    assert job.error
    assert job.error["kind"] == FailureKind.MODERATED
    assert len(stored(services, job_id)) == 1


def test_a_provider_that_makes_many_a_call_is_called_once(services: Services) -> None:
    job_id, provider = builders.make_job(services, n=3), FakeProvider()

    attempt(services, provider, job_id)

    with services.database.transaction() as session:
        positions = session.scalars(select(ProviderCall.positions).where(ProviderCall.job_id == job_id)).all()
    assert positions == [[0, 1, 2]]


def test_what_is_paid_for_is_fetched_though_nothing_new_may_be_ordered(services: Services) -> None:
    job_id = builders.make_job(services, n=2)
    claim = builders.claim(services, job_id)
    with services.database.transaction() as session:
        calls.accept_call(session, calls.open_call(session, claim, positions=[1]), {"task": 1})
        for _ in range(2):
            lost = calls.open_call(session, claim, positions=[0])
            run(session, calls.closing(lost, CallOutcome.UNKNOWN))
        assert ledger.retry_later(session, claim, FAILURE, delay=timedelta(0), counts=True)
    provider = FakePollingProvider()

    attempt_again(services, provider, job_id)

    assert provider.orders == []
    assert stored(services, job_id) == {1}
    assert builders.state_of(services, job_id) is JobState.FAILED


def test_a_call_knows_when_it_was_accepted_how_often_asked_after_and_when_its_pictures_came(
    services: Services,
) -> None:
    job_id = builders.make_job(services)

    attempt(services, FakePollingProvider(SOON, Unavailable("nobody there"), SOON), job_id)

    [call] = calls_of(services, job_id)
    assert call.polls == 4
    assert call.accepted_at
    assert call.arrived_at
    assert call.ended_at
    assert call.sent_at < call.accepted_at < call.arrived_at < call.ended_at


def test_a_changed_handle_is_no_second_acceptance(services: Services) -> None:
    job_id = builders.make_job(services)
    first: list[object] = []
    provider = FakePollingProvider(
        lambda: first.extend(call.accepted_at for call in calls_of(services, job_id)),
        Pending(handle={"task": 1, "upscale": 7}),
    )

    attempt(services, provider, job_id)

    assert [call.accepted_at for call in calls_of(services, job_id)] == first


def test_a_call_that_came_to_nothing_was_asked_after_all_the_same(services: Services) -> None:
    job_id = builders.make_job(services)

    attempt(services, FakePollingProvider(SOON, TaskFailed("gave up")), job_id)

    [call] = calls_of(services, job_id)
    assert (call.polls, call.arrived_at) == (2, None)
