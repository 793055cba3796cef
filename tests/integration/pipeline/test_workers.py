"""Worker processes as operators see and steer them."""

import os
import signal
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select

from core import admission, breaker, cancellation, fleet
from core.bootstrap import Services
from core.fleet import Member
from core.orm import Job, Worker
from core.states import JobState, Part
from tests import builders
from tests.stack import Stack, kill_server, until


def every(services: Services) -> list[Member]:
    with services.database.transaction() as session:
        return list(fleet.every(session))


def worker_of(services: Services, stack: Stack, part: str = "worker") -> Worker:
    (found,) = [member.worker for member in every(services) if member.worker.pid == stack.pid(part)]
    return found


def quieten(services: Services, stack: Stack, part: str = "worker", *, quiet: bool = True) -> None:
    """Returns when the process has done it."""
    word = "worker.quiet" if quiet else "worker.listens"
    before = stack.log(part).count(word)
    with services.database.transaction() as session:
        assert fleet.quieten(session, worker_of(services, stack, part).name, quiet=quiet)
    until(lambda: stack.log(part).count(word) > before, f"{part}: {word}")


def jobs_done(services: Services, stack: Stack, part: str = "worker") -> int:
    return worker_of(services, stack, part).jobs_done


def test_a_worker_says_what_it_is_and_what_it_is_at(stack: Stack, services: Services) -> None:
    stack.start("simulator", "api", "worker")
    until(lambda: every(services), "it is known before it has had a job")
    stack.control("PUT", "/latency", seconds=4)

    call = stack.generate()
    until(lambda: worker_of(services, stack).running == 1, "it says that it is at work")
    assert call.result(timeout=60).data
    until(lambda: worker_of(services, stack).running == 0, "it says that it is not any more")

    worker = worker_of(services, stack)
    assert (worker.provider, worker.concurrency, worker.jobs_done) == ("openai", 500, 1)
    assert worker.celery_name == f"openai-{worker.pid}@{worker.host}"
    assert 20_000_000 < worker.rss < 2_000_000_000


def test_schedulers_and_clerks_say_that_they_are_there_and_that_they_end(stack: Stack, services: Services) -> None:
    def said(*, stopping: bool) -> set[Part]:
        return {member.worker.part for member in every(services) if member.worker.stopping is stopping}

    stack.start("scheduler", "clerk")
    until(lambda: said(stopping=False) == {Part.SCHEDULER, Part.CLERK}, "both are there")

    for part in ("scheduler", "clerk"):
        stack.stop(part)

    assert said(stopping=True) == {Part.SCHEDULER, Part.CLERK}


def test_a_worker_that_is_told_to_end_says_so_while_it_finishes(stack: Stack, services: Services) -> None:
    stack.start("simulator", "api", "worker")
    stack.control("PUT", "/latency", seconds=4)
    call = stack.generate()
    until(lambda: worker_of(services, stack).running == 1, "it is at work")

    os.kill(stack.pid("worker"), signal.SIGTERM)

    until(lambda: worker_of(services, stack).stopping, "it says that it stops", within=3)
    assert call.result(timeout=60).data


def test_a_quiet_worker_finishes_what_it_has_and_leaves_the_rest_to_others(
    stack: Stack, services: Services
) -> None:
    stack.start("simulator", "api", "worker", "second worker")
    stack.control("PUT", "/latency", seconds=4)
    quieten(services, stack, "second worker")
    begun = stack.generate()
    until(lambda: worker_of(services, stack).running == 1, "the worker that listens has it")
    quieten(services, stack)
    quieten(services, stack, "second worker", quiet=False)

    later = [stack.generate(prompt=f"later {number}") for number in range(3)]

    assert all(call.result(timeout=60).data for call in (begun, *later))
    until(lambda: jobs_done(services, stack, "second worker") == 3, "the other one made the later ones")
    assert jobs_done(services, stack) == 1
    assert worker_of(services, stack).quiet


def test_workers_never_have_more_calls_under_way_than_slots_whatever_is_cancelled(
    stack: Stack, services: Services
) -> None:
    builders.register(services, slots=3)
    stack.start("simulator", "api", "worker", "second worker")  # no scheduler: who ends a call fills its slot
    stack.control("PUT", "/latency", seconds=2)
    calls = [stack.generate(prompt=f"picture {number}") for number in range(9)]
    until(lambda: stack.control("GET", "/state")["in_flight"] == 3, "all slots are taken")

    for job_id in running(services)[:2]:
        assert cancellation.cancel(services.database, services.notifier, job_id)
    services.intake.start_due("openai")  # as the scheduler does all the time

    assert sorted(call.exception(timeout=60) is None for call in calls) == [False] * 2 + [True] * 7
    assert stack.control("GET", "/state")["most_in_flight"] == 3
    assert stack.charges() == 9


def running(services: Services) -> Sequence[UUID]:
    with services.database.transaction() as session:
        return session.scalars(select(Job.id).where(Job.state == JobState.RUNNING)).all()


def test_quiet_or_not_a_worker_stays_so_when_the_broker_is_restarted(
    stack: Stack, services: Services, servers: dict[str, Any]
) -> None:
    stack.start("simulator", "api", "scheduler", "worker")
    quieten(services, stack)
    kill_server(servers, "valkey")
    until(lambda: stack.log("worker").count("Connected to") == 2, "the worker is connected again")
    waiting = stack.generate()
    until(lambda: services.broker.waiting("openai") == 1, "its message waits in the broker")
    assert jobs_done(services, stack) == 0

    quieten(services, stack, quiet=False)
    assert waiting.result(timeout=60).data
    kill_server(servers, "valkey")

    assert stack.generate().result(timeout=100).data


def test_a_rate_that_is_changed_holds_for_workers_that_run(stack: Stack, services: Services) -> None:
    stack.start("simulator", "api", "scheduler", "worker")
    until(lambda: every(services), "the worker is there")
    with services.database.transaction() as session:
        assert admission.set_rate(session, "openai", "1/8 seconds")
    beat = worker_of(services, stack).seen_at
    until(lambda: worker_of(services, stack).seen_at > beat, "the worker has heard of it")

    calls = [stack.generate(), stack.generate()]
    until(lambda: "our own limit" in stack.log("worker"), "one of them is held back")
    left = services.rates.headroom("openai", "1/8 seconds")

    assert left
    assert (left.most, left.left) == (1, 0)
    assert all(call.result(timeout=60).data for call in calls)
    with services.database.transaction() as session:
        assert breaker.history(session).get("openai", []) == []
