"""What is done to jobs that wait or run: they are cancelled, or change their lane."""

from core.bootstrap import Services
from core.operations.selections import Selection
from core.orm import Budget
from core.searches.search import from_query
from core.states import Event, JobState, Lane, OperationKind, OperationState
from tests import builders
from tests.integration.core.operations.ordering import done, fail, order


def test_all_that_match_are_cancelled_and_no_others(services: Services) -> None:
    _, caller = builders.make_caller(services)
    meant = [builders.queue(services, caller, lane=Lane.BATCH) for _ in range(3)]
    other = builders.queue(services, caller)
    operation_id = order(services, OperationKind.CANCEL, Selection(search=from_query({"lane": "batch"})))
    later = builders.queue(services, caller, lane=Lane.BATCH)

    ended = done(services, operation_id)

    assert (ended.state, ended.total, ended.done) == (OperationState.DONE, 3, 3)
    assert {builders.state_of(services, job_id) for job_id in meant} == {JobState.CANCELLED}
    assert builders.state_of(services, other) is builders.state_of(services, later) is JobState.QUEUED
    with services.database.transaction() as session:
        budget = session.get_one(Budget, caller.key_id)
    assert budget.in_flight == 2


def test_those_that_were_picked_are_cancelled_and_what_has_ended_is_left(services: Services) -> None:
    ended_before = fail(services)
    _, caller = builders.make_caller(services)
    picked, other = builders.queue(services, caller), builders.queue(services, caller)

    ended = done(services, order(services, OperationKind.CANCEL, Selection(ids=(picked, ended_before))))

    assert (ended.total, ended.done, ended.skipped) == (1, 1, 1)
    assert ended.reasons == {"it had ended already": 1}
    assert builders.state_of(services, picked) is JobState.CANCELLED
    assert builders.state_of(services, other) is not JobState.CANCELLED
    assert builders.state_of(services, ended_before) is JobState.FAILED


def test_waiting_jobs_change_their_lane_and_their_way_says_by_whom(services: Services) -> None:
    _, caller = builders.make_caller(services)
    slow, urgent = builders.queue(services, caller, lane=Lane.BATCH), builders.queue(services, caller)

    ended = done(services, order(services, OperationKind.CHANGE_LANE, lane=Lane.INTERACTIVE))

    assert (ended.done, ended.skipped) == (1, 1)
    assert {builders.job_of(services, job_id).lane for job_id in (slow, urgent)} == {Lane.INTERACTIVE}
    _, changed = builders.history_of(services, slow)
    assert (changed.event, changed.detail) == (
        Event.LANE_CHANGED,
        {"by": "ada", "from": "batch", "to": "interactive", "operation": str(ended.id)},
    )
    assert builders.events_of(services, urgent) == [Event.RECORDED]


def test_the_way_of_a_job_that_was_cancelled_with_others_says_by_whom(services: Services) -> None:
    _, caller = builders.make_caller(services)
    job_id = builders.queue(services, caller)

    ended = done(services, order(services, OperationKind.CANCEL))

    _, cancelled = builders.history_of(services, job_id)
    assert cancelled.detail == {"by": "ada", "operation": str(ended.id)}
