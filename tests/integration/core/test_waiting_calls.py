"""Which job a client's automatic retry finds again."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, update

from core import job_ids, ledger, submissions, waiting_calls
from core.bootstrap import Services
from core.database import run
from core.keys import Caller
from core.orm import Job, WaitingCall
from core.waiting_calls import RECENT, WINDOW
from tests import builders

BODY = UUID(int=1)
MOMENT = timedelta(seconds=1)


@pytest.fixture
def caller(services: Services) -> Caller:
    return builders.make_caller(services)[1]


def call(services: Services, caller: Caller, *, body: UUID = BODY, count: int = 0) -> UUID:
    """A job on the ledger, for which a caller waits."""
    job_id = job_ids.new_job_id()
    submission = builders.make_submission(services, job_id, caller)
    with services.database.transaction() as session:
        run(session, submissions.recording(replace(submission, fingerprint=body, retry_count=count)))
    return job_id


def retry(services: Services, caller: Caller, *, body: UUID = BODY, count: int = 1, **more: Any) -> UUID | None:
    with services.database.single() as session:
        return waiting_calls.take_over(session, key_id=caller.key_id, fingerprint=body, retry_count=count, **more)


def leave(services: Services, *job_ids: UUID, count: int = 0) -> None:
    with services.database.single() as session:
        waiting_calls.leave(session, [(job_id, count) for job_id in job_ids])


def has_left(services: Services, job_id: UUID) -> bool:
    with services.database.transaction() as session:
        return session.get_one(WaitingCall, job_id).left_at is not None


def settle(services: Services, job_id: UUID, *, ago: timedelta = timedelta()) -> None:
    with services.database.transaction() as session:
        assert ledger.cancel(session, job_id)
        session.execute(update(Job).where(Job.id == job_id).values(settled_at=Job.settled_at - ago))


def age(services: Services, job_id: UUID, by: timedelta) -> None:
    with services.database.transaction() as session:
        session.get_one(WaitingCall, job_id).called_at -= by


def test_a_retry_finds_the_job_of_a_caller_that_left(services: Services, caller: Caller) -> None:
    lost = call(services, caller)
    leave(services, lost)

    assert retry(services, caller) == lost


def test_a_retry_finds_a_job_whose_process_died_without_a_word(services: Services, caller: Caller) -> None:
    lost = call(services, caller)

    assert retry(services, caller) == lost


def test_a_callers_second_retry_finds_the_job_of_its_first(services: Services, caller: Caller) -> None:
    lost = call(services, caller)

    assert [retry(services, caller, count=count) for count in (1, 2)] == [lost, lost]


def test_a_first_retry_that_made_its_own_job_finds_it_with_the_second(services: Services, caller: Caller) -> None:
    made = call(services, caller, count=1)

    assert retry(services, caller, count=1) is None
    assert retry(services, caller, count=2) == made


def test_two_retries_of_the_same_count_never_share_a_job(services: Services, caller: Caller) -> None:
    lost = call(services, caller)

    assert [retry(services, caller), retry(services, caller)] == [lost, None]


def test_fifty_retries_at_once_find_fifty_jobs(services: Services, caller: Caller) -> None:
    lost = {call(services, caller) for _ in range(50)}

    with ThreadPoolExecutor(16) as clients:
        found = list(clients.map(lambda _: retry(services, caller), range(60)))

    assert {job_id for job_id in found if job_id} == lost
    assert found.count(None) == 10


@pytest.mark.parametrize("settled", [False, True])
def test_a_caller_that_left_comes_before_those_that_may_still_wait(
    services: Services, caller: Caller, *, settled: bool
) -> None:
    call(services, caller)
    left = call(services, caller)
    leave(services, left)
    if settled:
        settle(services, left, ago=RECENT + MOMENT)

    assert retry(services, caller) == left


def test_among_those_that_left_the_oldest_comes_first(services: Services, caller: Caller) -> None:
    jobs = [call(services, caller) for _ in range(3)]
    leave(services, *reversed(jobs))

    assert [retry(services, caller) for _ in jobs] == jobs


def test_a_live_job_comes_before_one_whose_answer_may_have_been_lost(services: Services, caller: Caller) -> None:
    answered, live = call(services, caller), call(services, caller)
    settle(services, answered)

    assert [retry(services, caller), retry(services, caller)] == [live, answered]


def test_whoever_is_seen_to_wait_gives_his_place_up_last(services: Services, caller: Caller) -> None:
    waits, answered = call(services, caller), call(services, caller)
    settle(services, answered)

    assert [retry(services, caller, held=[waits]) for _ in range(3)] == [answered, waits, None]


def test_a_retry_of_a_call_that_was_refused_takes_no_place_but_of_who_left(
    services: Services, caller: Caller
) -> None:
    answered, left = (call(services, caller) for _ in range(2))
    call(services, caller)
    settle(services, answered)
    leave(services, left)

    assert [retry(services, caller, only_left=True) for _ in range(2)] == [left, None]


def test_an_answer_that_was_written_long_ago_was_not_lost(services: Services, caller: Caller) -> None:
    settle(services, call(services, caller), ago=RECENT + MOMENT)

    assert retry(services, caller) is None


def test_a_call_of_long_ago_is_not_the_one_that_is_retried(services: Services, caller: Caller) -> None:
    lost = call(services, caller)
    leave(services, lost)
    age(services, lost, WINDOW + MOMENT)

    assert retry(services, caller) is None


def test_another_body_or_another_key_finds_nothing(services: Services, caller: Caller) -> None:
    leave(services, call(services, caller))
    _, somebody = builders.make_caller(services)

    assert retry(services, caller, body=uuid4()) is None
    assert retry(services, somebody) is None


def test_who_was_found_again_may_leave_again(services: Services, caller: Caller) -> None:
    lost = call(services, caller)
    leave(services, lost)
    retry(services, caller, count=1)
    assert not has_left(services, lost)

    leave(services, lost, count=1)

    assert has_left(services, lost)


def test_a_dead_line_that_is_noticed_late_does_not_send_the_retry_away(services: Services, caller: Caller) -> None:
    lost = call(services, caller)
    retry(services, caller, count=1)

    leave(services, lost, count=0)

    assert not has_left(services, lost)


def test_many_leave_at_once(services: Services, caller: Caller) -> None:
    jobs = [call(services, caller) for _ in range(20)]

    leave(services, *jobs)

    assert all(has_left(services, job_id) for job_id in jobs)


def test_calls_that_no_retry_can_find_are_forgotten(services: Services, caller: Caller) -> None:
    old, recent = call(services, caller), call(services, caller)
    age(services, old, WINDOW + MOMENT)

    with services.database.transaction() as session:
        waiting_calls.forget(session)

    with services.database.single() as session:
        assert session.scalars(select(WaitingCall.job_id)).all() == [recent]
