"""The worker processes as the ledger knows them."""

from datetime import timedelta

from core import admission, fleet
from core.bootstrap import Services
from core.fleet import Load, Member, Orders, Process
from core.orm import Worker
from tests import builders


def beat(services: Services, name: str = "w1", *, running: int = 0, stopping: bool = False) -> Orders:
    process = Process(
        name=name,
        provider="openai",
        celery_name=f"openai-{name}@host",
        host="host",
        pid=7,
        version="1.2.3",
        concurrency=500,
    )
    load = Load(running=running, jobs_done=40, rss=90_000_000, stopping=stopping)
    with services.database.transaction() as session:
        return fleet.beat(session, process, load)


def every(services: Services) -> list[Member]:
    with services.database.transaction() as session:
        return list(fleet.every(session))


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


def test_a_process_that_is_long_gone_is_forgotten(services: Services) -> None:
    beat(services)
    beat(services, "w2")
    fall_silent(services, fleet.KEPT)

    with services.database.transaction() as session:
        fleet.forget(session)

    assert [member.worker.name for member in every(services)] == ["w2"]
