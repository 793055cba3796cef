"""How each provider stands right now."""

from datetime import timedelta
from typing import Any

from sqlalchemy import func, insert, select, update

from core import admission, breaker, ledger, standings
from core.bootstrap import Services
from core.errors import FailureKind
from core.orm import Job, Provider
from core.standings import ProviderStanding, Queue, Standing
from core.states import Lane
from tests import builders

SECOND = timedelta(seconds=1)


def of(services: Services, provider: str = "openai") -> ProviderStanding:
    with services.database.transaction() as session:
        return next(each for each in standings.providers(session) if each.name == provider)


def change(services: Services, **values: Any) -> None:
    with services.database.transaction() as session:
        session.execute(update(Provider).values(**values))


def test_a_provider_says_what_keeps_it_from_starting_jobs(services: Services) -> None:
    builders.register(services)
    assert of(services).standing is Standing.HEALTHY

    with services.database.transaction() as session:
        breaker.pause(session, "openai", timedelta(minutes=1))
    throttled = of(services)
    assert throttled.standing is Standing.THROTTLED
    assert throttled.until

    with services.database.transaction() as session:
        for _ in range(breaker.MOST_FAILURES):
            breaker.report_failure(session, "openai", FailureKind.UNAVAILABLE)
    assert of(services).standing is Standing.OUT

    change(services, open_until=func.clock_timestamp() - SECOND)
    assert of(services).standing is Standing.PROBING

    change(services, draining=True)
    assert of(services).standing is Standing.DRAINING

    with services.database.transaction() as session:
        admission.pause(session, "openai")
    paused = of(services)
    assert (paused.standing, paused.until) == (Standing.PAUSED, None)


def test_slots_are_told_by_what_their_jobs_are_at(services: Services) -> None:
    builders.register(services, slots=10)
    _, caller = builders.make_caller(services)
    first = builders.queue(services, caller, slots=3)
    admission.admit(services.database, "openai")
    builders.claim(services, first)
    builders.queue(services, caller, slots=2)
    admission.admit(services.database, "openai")

    found = of(services)

    assert (found.slots, found.running, found.dispatched, found.taken) == (10, 3, 2, 5)

    with services.database.transaction() as session:
        assert ledger.cancel(session, first)

    assert of(services).running == 3  # its calls go on


def test_depth_and_age_are_told_by_lane(services: Services) -> None:
    builders.register(services)
    _, one = builders.make_caller(services)
    _, other = builders.make_caller(services)
    old = builders.queue(services, other, lane=Lane.ASYNC)
    for priority in (0, 5):
        builders.queue(services, one, lane=Lane.ASYNC, priority=priority)
    wait(services, old, seconds=60)

    queues = of(services).queues

    assert (queues[Lane.ASYNC].depth, queues[Lane.ASYNC].more) == (3, False)
    assert 60 <= (queues[Lane.ASYNC].oldest or 0) < 90
    assert queues[Lane.INTERACTIVE] == queues[Lane.BATCH] == Queue()


def test_the_oldest_is_found_behind_those_of_higher_priority(services: Services) -> None:
    builders.register(services)
    _, caller = builders.make_caller(services)
    patient = builders.queue(services, caller, priority=-5)
    builders.queue(services, caller, priority=5)
    wait(services, patient, seconds=60)

    assert (of(services).queues[Lane.INTERACTIVE].oldest or 0) >= 60


def test_what_is_held_does_not_wait_and_what_is_not_due_is_not_old(services: Services) -> None:
    builders.register(services)
    _, caller = builders.make_caller(services)
    held, later = builders.queue(services, caller), builders.queue(services, caller)
    wait(services, held, seconds=60)
    wait(services, later, seconds=-60)
    with services.database.transaction() as session:
        session.get_one(Job, held).held = True

    assert of(services).queues[Lane.INTERACTIVE] == Queue(depth=1, oldest=None)


def test_a_long_queue_is_counted_only_so_far(services: Services) -> None:
    builders.register(services)
    _, caller = builders.make_caller(services)
    builders.queue(services, caller)
    names = ("provider", "model", "upstream_model", "lane", "door", "key_id", "request_id", "request")
    more = select(func.uuidv7(), *(getattr(Job, name) for name in names), func.generate_series(1, standings.MOST))
    with services.database.transaction() as session:
        session.execute(insert(Job).from_select(["id", *names, "priority"], more))

    queue = of(services).queues[Lane.INTERACTIVE]

    assert (queue.depth, queue.more) == (standings.MOST, True)


def wait(services: Services, job_id: Any, *, seconds: float) -> None:
    with services.database.transaction() as session:
        job = session.get_one(Job, job_id)
        job.run_after -= timedelta(seconds=seconds)
