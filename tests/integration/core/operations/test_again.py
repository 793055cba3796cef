"""Jobs are made again, as new ones, or elsewhere."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from core import keys
from core.bootstrap import Services
from core.generation import Size
from core.operations import portions
from core.operations.deeds import Done
from core.operations.selections import Selection
from core.orm import Budget, Job
from core.states import Event, JobState, OperationKind, OperationState
from tests import builders
from tests.integration.core.operations.ordering import done, end, fail, order, retries
from tests.stack import until


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """With a second provider."""
    return {**environment, "BFL_API_KEY": "sk-test-upstream", "BFL_BASE_URL": "http://127.0.0.1:1"}


def test_failed_jobs_are_made_again_as_new_ones_with_their_price_set_aside_anew(services: Services) -> None:
    failed = fail(services)

    ended = done(services, order(services, OperationKind.RETRY))

    (again,) = retries(services)
    old = builders.job_of(services, failed)
    assert (ended.done, ended.cost) == (1, old.price)
    assert (again.retry_of, again.request, again.key_id, again.lane) == (old.id, old.request, old.key_id, old.lane)
    assert old.state is JobState.FAILED
    with services.database.transaction() as session:
        assert session.get_one(Budget, old.key_id).reserved == again.price > 0


def test_a_job_is_made_again_once_however_often_that_is_ordered(services: Services) -> None:
    failed = Selection(ids=(fail(services),))
    done(services, order(services, OperationKind.RETRY, failed))

    ended = done(services, order(services, OperationKind.RETRY, failed))

    assert (ended.total, ended.cost, ended.done, ended.skipped) == (0, Decimal(0), 0, 1)
    assert ended.reasons == {"it had not failed yet, or was made again before": 1}
    assert len(retries(services)) == 1


def test_a_job_is_made_again_once_though_two_operations_are_at_it(services: Services) -> None:
    failed = Selection(ids=(fail(services),))
    for _ in range(2):
        order(services, OperationKind.RETRY, failed)

    with ThreadPoolExecutor(1) as another_scheduler:
        with services.database.transaction() as session:
            advance(services, session)
            second = another_scheduler.submit(in_its_own_time, services)
            until(lambda: builders.is_held_up(services), "the second operation waits for the first")
        late = second.result(timeout=10)

    assert (late.done, late.reasons.total()) == (0, 1)
    assert len(retries(services)) == 1


def advance(services: Services, session: Session) -> Done:
    """Takes an operation that nobody is at work on, and does a portion of it."""
    operation = portions.take(session)
    assert operation
    advanced = portions.advance(session, services.catalog, operation, portions.next_portion(session, operation))
    assert advanced
    return advanced


def in_its_own_time(services: Services) -> Done:
    with services.database.transaction() as session:
        return advance(services, session)


@pytest.mark.parametrize("kind", [OperationKind.RETRY, OperationKind.REROUTE])
def test_what_ends_after_it_was_ordered_is_not_made_again(services: Services, kind: OperationKind) -> None:
    """It was to be moved, or was not meant: nobody has foreseen its price."""
    _, caller = builders.make_caller(services)
    waiting = builders.queue(services, caller)
    options = {"model": "flux-1-pro"} if kind is OperationKind.REROUTE else {}
    operation_id = order(services, kind, Selection(ids=(waiting,)), **options)
    with services.database.transaction() as session:
        session.get_one(Job, waiting).request = builders.make_request(size=Size(1024, 1024)).to_json()
    end(services, waiting)

    ended = done(services, operation_id)

    assert (ended.done, ended.skipped) == (0, 1)
    assert retries(services) == []


def test_what_a_cap_refuses_is_left_out_with_the_reason(services: Services) -> None:
    failed = fail(services, cap=Decimal(1))
    with services.database.transaction() as session:
        session.execute(update(Budget).values(cap=0))

    ended = done(services, order(services, OperationKind.RETRY))

    assert (ended.state, ended.done, ended.skipped) == (OperationState.DONE, 0, 1)
    assert ended.reasons == {"the key's cap is reached": 1}
    assert builders.state_of(services, failed) is JobState.FAILED


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"revoked_at": datetime.now(UTC)}, "its key was revoked"),
        ({"expires_at": datetime.now(UTC) - timedelta(seconds=1)}, "its key has expired"),
        ({"models": ["dall-e-3"]}, "its key may not use dall-e-2"),
    ],
)
def test_nothing_is_made_again_for_a_key_that_could_not_ask_for_it(
    services: Services, changed: dict[str, object], reason: str
) -> None:
    key_id = builders.job_of(services, fail(services)).key_id
    with services.database.transaction() as session:
        assert keys.change(session, key_id, changed)

    ended = done(services, order(services, OperationKind.RETRY))

    assert (ended.state, ended.done, ended.skipped) == (OperationState.DONE, 0, 1)
    assert ended.reasons == {reason: 1}
    assert retries(services) == []


def test_a_waiting_job_goes_elsewhere_and_a_settled_one_is_made_there_anew(services: Services) -> None:
    too_small, failed = fail(services), fail(services)
    _, caller = builders.make_caller(services)
    waiting = builders.queue(services, caller)
    with services.database.transaction() as session:
        session.get_one(Job, failed).request = builders.make_request(size=Size(1024, 1024)).to_json()
    flux = services.catalog.model("flux-1-pro")
    assert flux

    ended = done(services, order(services, OperationKind.REROUTE, model="flux-1-pro"))

    moved = builders.job_of(services, waiting)
    assert (moved.provider, moved.upstream_model, moved.model) == ("bfl", flux.upstream_model, "dall-e-2")
    _, rerouted = builders.history_of(services, waiting)
    assert (rerouted.event, rerouted.detail) == (
        Event.REROUTED,
        {"by": "ada", "to": "bfl", "operation": str(ended.id)},
    )
    (again,) = retries(services)
    assert (again.retry_of, again.provider, again.model, again.request["model"]) == (
        failed,
        "bfl",
        "flux-1-pro",
        "flux-1-pro",
    )
    assert (ended.done, ended.skipped, ended.reasons) == (2, 1, {"flux-1-pro cannot make it": 1})
    assert builders.state_of(services, too_small) is JobState.FAILED
