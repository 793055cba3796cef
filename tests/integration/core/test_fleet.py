"""The worker processes as the ledger knows them."""

import os
from datetime import timedelta
from typing import Any

from core import admission, fleet
from core.bootstrap import Services
from core.fleet import Allowance, Load, Member, Orders, Process
from core.orm import Worker
from core.processes import Presence
from core.states import Part
from tests import builders


def beat(services: Services, name: str = "w1", *, told: Allowance | None = None, **facts: Any) -> Orders:
    process = Process(
        name=name,
        provider="openai",
        celery_name=f"openai-{name}@host",
        host="host",
        pid=7,
        version="1.2.3",
        concurrency=500,
    )
    at_it = {"jobs_done": 40, "rss": 90_000_000, "stopping": False, **facts}
    load = Load(**at_it, allowance=told)
    with services.database.transaction() as session:
        return fleet.beat(session, process, load)


def every(services: Services) -> list[Member]:
    with services.database.transaction() as session:
        return list(fleet.every(session))


def allowance(services: Services) -> Allowance:
    with services.database.transaction() as session:
        return fleet.allowances(session)["openai"]


def fall_silent(services: Services, silence: timedelta, name: str = "w1") -> None:
    with services.database.transaction() as session:
        session.get_one(Worker, name).seen_at -= silence


def test_a_process_is_known_from_its_first_beat_and_has_the_figures_of_its_last(services: Services) -> None:
    beat(services)
    beat(services, running=3)

    (member,) = every(services)

    worker = member.worker
    assert (worker.name, worker.celery_name, worker.version, worker.concurrency) == (
        *("w1", "openai-w1@host", "1.2.3"),
        500,
    )
    assert (worker.running, worker.jobs_done, worker.rss, worker.stopping) == (3, 40, 90_000_000, False)
    assert worker.started_at < worker.seen_at
    assert member.age < timedelta(seconds=5)
    assert not member.lost


def test_a_process_that_falls_silent_is_lost_unless_it_was_told_to_end(services: Services) -> None:
    beat(services)
    beat(services, "w2", stopping=True)
    assert [(member.lost, member.ended) for member in every(services)] == [(False, False)] * 2

    for name in ("w1", "w2"):
        fall_silent(services, fleet.LOST, name)

    assert {member.worker.name: (member.lost, member.ended) for member in every(services)} == {
        "w1": (True, False),
        "w2": (False, True),
    }


def test_a_beat_brings_back_what_operators_want(services: Services) -> None:
    builders.register(services)
    assert beat(services) == Orders(quiet=False, rate=None)

    with services.database.transaction() as session:
        assert fleet.quieten(session, "w1", quiet=True)
        assert admission.set_rate(session, "openai", "10/minute")
        assert not fleet.quieten(session, "nobody", quiet=True)

    assert beat(services) == Orders(quiet=True, rate="10/minute")
    assert beat(services, "w2") == Orders(quiet=False, rate="10/minute")


def test_a_scheduler_and_a_clerk_are_known_as_workers_are_and_cannot_be_made_quiet(services: Services) -> None:
    scheduler = Presence(services.database, Part.SCHEDULER)
    scheduler.beat()
    Presence(services.database, Part.CLERK, concurrency=4).beat()

    first, second = (member.worker for member in every(services))
    assert (first.part, first.provider, first.celery_name) == (Part.CLERK, None, None)
    assert (second.part, second.pid, second.stopping) == (Part.SCHEDULER, os.getpid(), False)
    assert second.rss > 1_000_000
    with services.database.transaction() as session:
        assert not fleet.quieten(session, second.name, quiet=True)

    scheduler.end()

    assert [member.worker.stopping for member in every(services)] == [False, True]


def test_a_providers_newest_word_on_its_own_limit_counts_whichever_worker_was_told(services: Services) -> None:
    beat(services, "w1", told=Allowance(500, 499, reset=timedelta(seconds=20), age=timedelta(seconds=9)))
    beat(services, "w2", told=Allowance(500, 120, reset=timedelta(seconds=30), age=timedelta(seconds=1)))
    beat(services, "w3")

    told = allowance(services)

    assert (told.most, told.left) == (500, 120)
    assert timedelta(seconds=29) < told.reset <= timedelta(seconds=30)
    assert timedelta(seconds=1) <= told.age < timedelta(seconds=2)


def test_a_limit_whose_time_is_over_is_whole_again(services: Services) -> None:
    beat(services, told=Allowance(500, 0, reset=timedelta(seconds=-1), age=timedelta(seconds=13)))

    told = allowance(services)

    assert (told.left, told.reset) == (500, timedelta(0))


def test_a_beat_that_has_heard_nothing_new_leaves_what_was_told(services: Services) -> None:
    beat(services, told=Allowance(500, 120, reset=timedelta(seconds=30), age=timedelta(0)))
    beat(services)

    assert allowance(services).left == 120


def test_a_process_that_is_long_gone_is_forgotten(services: Services) -> None:
    beat(services)
    beat(services, "w2")
    fall_silent(services, fleet.KEPT)

    with services.database.transaction() as session:
        fleet.forget(session)

    assert [member.worker.name for member in every(services)] == ["w2"]
