"""Moves of a job on a real Postgres."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core import admission, calls, ledger, results
from core.bootstrap import Services
from core.database import run
from core.errors import Failure, FailureKind
from core.ledger import Claim
from core.orm import Job
from core.states import CallOutcome, Event, JobState
from tests import builders

FAILURE = Failure(FailureKind.UNAVAILABLE, "away")


def settle(services: Services, move: Callable[[Session, Claim], bool], claim: Claim) -> bool:
    with services.database.transaction() as session:
        return move(session, claim)


def events(services: Services, claim: Claim) -> list[Event]:
    with services.database.transaction() as session:
        return [event.event for event in results.history(session, claim.job_id)]


def test_eight_workers_claim_one_job_and_one_wins(services: Services) -> None:
    job_id = builders.make_job(services)

    def claim(number: int) -> Claim | None:
        with services.database.transaction() as session:
            return builders.try_to_claim(session, job_id, f"worker-{number}")

    with ThreadPoolExecutor(8) as workers:
        claims = list(workers.map(claim, range(8)))

    (won,) = [claim for claim in claims if claim]
    assert won.attempt == 1
    assert builders.state_of(services, job_id) is JobState.RUNNING


def test_a_late_worker_cannot_settle_a_newer_attempt(services: Services) -> None:
    job_id = builders.make_job(services)
    late = builders.claim(services, job_id, worker="late")
    builders.lose_lease(services, job_id)
    with services.database.transaction() as session:
        assert [job.id for job in ledger.rescue(session)] == [job_id]
    assert admission.admit(services.database, "openai") == [job_id]
    newer = builders.claim(services, job_id, worker="newer")

    assert not settle(services, builders.succeed, late)
    assert not settle(services, lambda session, claim: ledger.fail(session, claim, FAILURE), late)
    assert builders.job_of(services, job_id).worker == "newer"
    assert settle(services, builders.succeed, newer)
    assert builders.state_of(services, job_id) is JobState.COMPLETED


def test_a_settled_job_moves_no_more(services: Services) -> None:
    claim = builders.claim(services, builders.make_job(services))
    assert settle(services, builders.succeed, claim)

    with services.database.transaction() as session:
        assert not builders.succeed(session, claim)
        assert not ledger.fail(session, claim, FAILURE)
        assert not ledger.retry_later(session, claim, FAILURE, delay=timedelta(0), counts=True)
        assert not ledger.cancel(session, claim.job_id)
        assert builders.try_to_claim(session, claim.job_id, "another") is None
    assert builders.state_of(services, claim.job_id) is JobState.COMPLETED


def test_every_move_leaves_its_event(services: Services) -> None:
    claim = builders.claim(services, builders.make_job(services))
    with services.database.transaction() as session:
        ledger.retry_later(session, claim, FAILURE, delay=timedelta(0), counts=True)
    admission.admit(services.database, "openai")
    again = builders.claim(services, claim.job_id)

    assert settle(services, builders.succeed, again)
    assert events(services, claim) == [
        Event.RECORDED,
        Event.ADMITTED,
        Event.CLAIMED,
        Event.RETRIED,
        Event.ADMITTED,
        Event.CLAIMED,
        Event.COMPLETED,
    ]


def test_a_retried_job_is_not_due_before_its_delay(services: Services) -> None:
    claim = builders.claim(services, builders.make_job(services))

    with services.database.transaction() as session:
        ledger.retry_later(session, claim, FAILURE, delay=timedelta(minutes=5), counts=False)
    assert admission.admit(services.database, "openai") == []

    job = builders.job_of(services, claim.job_id)
    assert job.run_after - job.created_at > timedelta(minutes=4)
    assert job.failures == 0


def test_a_heartbeat_keeps_the_leases_it_names_and_only_its_own_workers(services: Services) -> None:
    kept = builders.claim(services, builders.make_job(services), worker="alive")
    dropped = builders.claim(services, builders.make_job(services), worker="alive")
    lost = builders.claim(services, builders.make_job(services), worker="dead")
    for claim in (kept, dropped, lost):
        builders.lose_lease(services, claim.job_id)

    with services.database.transaction() as session:
        ledger.extend_leases(session, "alive", [kept.job_id, lost.job_id])
        rescued = ledger.rescue(session)

    assert {job.id for job in rescued} == {dropped.job_id, lost.job_id}
    assert builders.job_of(services, lost.job_id).failures == 1


def test_a_job_whose_message_was_lost_is_queued_again(services: Services) -> None:
    fresh, stale = builders.make_job(services), builders.make_job(services)
    with services.database.transaction() as session:
        job = session.get_one(Job, stale)
        assert job.dispatched_at
        job.dispatched_at -= ledger.DELIVERY + timedelta(seconds=1)

    with services.database.transaction() as session:
        assert [job.id for job in ledger.take_back_undelivered(session, "openai")] == [stale]

    assert builders.state_of(services, stale) is JobState.QUEUED
    assert builders.state_of(services, fresh) is JobState.DISPATCHED


@pytest.mark.parametrize("admitted", [True, False])
def test_a_job_is_cancelled_before_it_runs(services: Services, *, admitted: bool) -> None:
    job_id = builders.make_job(services, admit=admitted)

    with services.database.transaction() as session:
        assert ledger.cancel(session, job_id)
        assert builders.try_to_claim(session, job_id, "worker") is None

    assert builders.state_of(services, job_id) is JobState.CANCELLED


def test_a_job_cancelled_while_it_runs_is_not_completed_any_more(services: Services) -> None:
    claim = builders.claim(services, builders.make_job(services))
    with services.database.transaction() as session:
        assert ledger.cancel(session, claim.job_id)

    assert not settle(services, builders.succeed, claim)
    assert builders.state_of(services, claim.job_id) is JobState.CANCELLED


def test_calls_that_a_lost_worker_had_sent_count_as_unknown(services: Services) -> None:
    claim = builders.claim(services, builders.make_job(services))
    with services.database.transaction() as session:
        told = calls.open_call(session, claim, positions=[0])
        run(session, calls.closing(told, CallOutcome.FAILED, FAILURE))
        calls.open_call(session, claim, positions=[0])

    with services.database.transaction() as session:
        calls.give_up_sent_calls(session, claim.job_id)

    with services.database.transaction() as session:
        outcomes = [call.outcome for call in calls.of_job(session, claim.job_id)]
        assert outcomes == [CallOutcome.FAILED, CallOutcome.UNKNOWN]
        assert calls.unknown(session, claim.job_id) == 1


@pytest.mark.parametrize(
    "nonsense",
    [
        "UPDATE jobs SET state = 'completed'",
        "UPDATE jobs SET state = 'running'",
        "UPDATE jobs SET state = 'failed', settled_at = now()",
        "UPDATE jobs SET settled_at = now()",
        "UPDATE jobs SET state = 'lost'",
    ],
)
def test_the_database_itself_refuses_a_job_that_cannot_be(services: Services, nonsense: str) -> None:
    builders.make_job(services)

    with pytest.raises(IntegrityError), services.database.transaction() as session:
        session.execute(text(nonsense))
