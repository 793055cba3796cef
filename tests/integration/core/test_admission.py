"""Which jobs may start: first come, first served, never more than the slots."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from core import admission, breaker, ledger
from core.bootstrap import Services
from core.errors import Failure, FailureKind
from core.orm import Job, Provider
from core.queues import LONGEST_CALL
from core.states import JobState
from tests import builders

FAILURE = Failure(FailureKind.UNAVAILABLE, "away")


def admit(services: Services) -> list[UUID]:
    return admission.admit(services.database, "openai")


def test_no_more_jobs_are_dispatched_than_there_are_slots(services: Services) -> None:
    builders.register(services, slots=3)
    jobs = [builders.make_job(services, admit=False) for _ in range(5)]

    assert sorted(admit(services)) == sorted(jobs[:3])
    assert admit(services) == []


def test_running_jobs_take_slots_and_settled_ones_give_them_back(services: Services) -> None:
    builders.register(services, slots=1)
    first, second = (builders.make_job(services, admit=False) for _ in range(2))
    assert admit(services) == [first]
    claim = builders.claim(services, first)
    assert admit(services) == []

    with services.database.transaction() as session:
        assert builders.succeed(session, claim)
    assert admit(services) == [second]


def test_many_at_once_do_not_overshoot_the_slots(services: Services) -> None:
    builders.register(services, slots=10)
    for _ in range(40):
        builders.make_job(services, admit=False)

    with ThreadPoolExecutor(8) as admitters:
        rounds = list(admitters.map(lambda _: admit(services), range(16)))

    admitted = [job_id for round_ in rounds for job_id in round_]
    assert len(admitted) == len(set(admitted)) == 10


def test_a_provider_that_nobody_registered_starts_nothing(services: Services) -> None:
    job_id = builders.make_job(services, admit=False)

    assert admit(services) == []
    assert builders.state_of(services, job_id) is JobState.QUEUED


def test_fewer_slots_hold_new_jobs_back_and_leave_running_ones_alone(services: Services) -> None:
    builders.register(services, slots=2)
    running = [builders.make_job(services) for _ in range(2)]
    waiting = builders.make_job(services, admit=False)

    builders.register(services, slots=1)

    assert admit(services) == []
    assert [builders.state_of(services, job) for job in running] == [JobState.DISPATCHED] * 2
    assert builders.state_of(services, waiting) is JobState.QUEUED


def test_registering_again_keeps_the_slots_an_operator_set(services: Services) -> None:
    builders.register(services, slots=7)

    with services.database.transaction() as session:
        admission.register(session, "openai", slots=500)

    with services.database.transaction() as session:
        assert [(row.name, row.slots) for row in admission.providers(session)] == [("openai", 7)]


def test_a_job_takes_as_many_slots_as_it_makes_calls_at_once(services: Services) -> None:
    builders.register(services, slots=5)
    wide, wider = (builders.make_job(services, admit=False, slots=3) for _ in range(2))
    narrow = builders.make_job(services, admit=False)

    assert admit(services) == [wide]
    assert [builders.state_of(services, job) for job in (wider, narrow)] == [JobState.QUEUED] * 2


def test_a_job_that_wants_more_slots_than_there_are_gets_them_all(services: Services) -> None:
    builders.register(services, slots=2)
    job_id = builders.make_job(services, admit=False, slots=10)

    assert admit(services) == [job_id]
    assert builders.claim(services, job_id).slots == 2


def test_a_job_that_was_granted_less_asks_for_all_of_it_at_its_next_attempt(services: Services) -> None:
    builders.register(services, slots=10)
    job_id = builders.make_job(services, admit=False, slots=4)
    with services.database.transaction() as session:
        session.get_one(Provider, "openai").open_until = builders.now(session)
    assert admit(services) == [job_id]
    trial = builders.claim(services, job_id)

    with services.database.transaction() as session:
        ledger.retry_later(session, trial, FAILURE, delay=timedelta(0), counts=True)
    builders.make_due(services, job_id)

    assert (trial.slots, builders.claim(services, job_id).slots) == (1, 4)


def test_what_is_cancelled_before_its_call_gives_its_slots_back_at_once(services: Services) -> None:
    builders.register(services, slots=1)
    dispatched, waiting = (builders.make_job(services, admit=False) for _ in range(2))
    assert admit(services) == [dispatched]

    with services.database.transaction() as session:
        assert ledger.cancel(session, dispatched)

    assert admit(services) == [waiting]


def test_a_cancelled_job_whose_worker_is_gone_holds_its_slots_for_a_few_minutes(services: Services) -> None:
    builders.register(services, slots=1)
    cancelled, waiting = (builders.make_job(services, admit=False) for _ in range(2))
    admit(services)
    builders.claim(services, cancelled)
    with services.database.transaction() as session:
        assert ledger.cancel(session, cancelled)
    assert admit(services) == []

    with services.database.transaction() as session:
        session.execute(update(Job).where(Job.id == cancelled).values(settled_at=Job.settled_at - LONGEST_CALL))

    assert admit(services) == [waiting]


def test_a_paused_provider_starts_nothing_until_it_is_resumed(services: Services) -> None:
    builders.register(services)
    waiting = builders.make_job(services, admit=False)
    with services.database.transaction() as session:
        assert admission.pause(session, "openai")
        breaker.pause(session, "openai", timedelta(seconds=1))  # its own wish does not end an operator's pause
    assert admit(services) == []

    with services.database.transaction() as session:
        assert admission.resume(session, "openai")
        assert not admission.resume(session, "nobody")

    assert admit(services) == [waiting]


def test_an_operators_pause_can_be_read(services: Services) -> None:
    builders.register(services)
    with services.database.transaction() as session:
        assert admission.pause(session, "openai")

    with services.database.transaction() as session:
        (row,) = admission.providers(session)

    assert row.paused_until == admission.FOREVER


def test_a_drained_provider_starts_nothing_until_it_is_resumed(services: Services) -> None:
    builders.register(services)
    waiting = builders.make_job(services, admit=False)
    with services.database.transaction() as session:
        assert admission.drain(session, "openai")
        assert not admission.drain(session, "nobody")
    assert admit(services) == []

    with services.database.transaction() as session:
        assert admission.resume(session, "openai")

    assert admit(services) == [waiting]


@pytest.mark.parametrize("rate", ["", "60", "0/minute", "60/fortnight", "60/minute;1/second", "9" * 10 + "/day"])
def test_what_is_no_rate_is_refused_by_house_and_ledger(services: Services, rate: str) -> None:
    builders.register(services)

    with services.database.transaction() as session, pytest.raises(ValueError, match="is not a rate such as"):
        admission.set_rate(session, "openai", rate)
    with pytest.raises(IntegrityError), services.database.transaction() as session:
        session.get_one(Provider, "openai").rate = rate


def test_a_rate_is_set_and_given_back(services: Services) -> None:
    builders.register(services)

    for rate in ("60/minute", "150/10 seconds", None):
        with services.database.transaction() as session:
            assert admission.set_rate(session, "openai", rate)
            assert session.get_one(Provider, "openai").rate == rate
            assert not admission.set_rate(session, "nobody", rate)
