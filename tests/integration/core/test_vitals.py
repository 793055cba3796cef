"""The figures that the house is judged by."""

from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import insert, update

from core import alerts, calls, history, job_ids, ledger, vitals
from core.bootstrap import Services
from core.errors import Failure, FailureKind
from core.images import Picture
from core.orm import Delivery, Image, JobEvent, ProviderCall, Worker
from core.processes import Presence
from core.states import DeliveryState, Part
from core.vitals import Tellings
from tests import builders


def look(services: Services) -> vitals.Vitals:
    with services.database.transaction() as session:
        return vitals.look(session)


def add_worker(services: Services, **facts: bool) -> None:
    with services.database.transaction() as session:
        row = {"name": f"worker-{facts}", "provider": "openai", "celery_name": "", "host": "", "pid": 1}
        session.execute(insert(Worker).values(**row, version="1", concurrency=1, rss=0, **facts))


def test_an_empty_house_with_a_scheduler_is_well(services: Services) -> None:
    assert alerts.raised(look(services)) != []
    Presence(services.database, Part.SCHEDULER).beat()

    found = look(services)

    assert (found.history_lag, found.sweep_lag, found.tellings) == (0.0, 0.0, Tellings(0, 0))
    assert alerts.raised(found) == []


def test_money_of_jobs_under_way_and_of_calls_without_an_answer_is_told(services: Services) -> None:
    claim = builders.claim(services, builders.make_job(services, n=2))
    with services.database.transaction() as session:
        calls.open_call(session, claim, positions=[0, 1])
        calls.give_up_calls(session, claim.job_id)

    money = look(services).money

    assert money.reserved == Decimal("0.106")
    assert money.in_doubt == {"openai": Decimal("0.106")}
    assert 0 < money.doubt_ages["openai"] < 60


def test_doubt_is_as_old_as_its_first_call(services: Services) -> None:
    for minutes in (1, 20):
        claim = builders.claim(services, builders.make_job(services))
        with services.database.transaction() as session:
            call_id = calls.open_call(session, claim, positions=[0])
            calls.give_up_calls(session, claim.job_id)
            session.get_one(ProviderCall, call_id).ended_at = builders.now(session) - timedelta(minutes=minutes)

    assert 1200 <= look(services).money.doubt_ages["openai"] < 1260


def test_what_is_usual_is_told_beside_what_is_so_now(services: Services) -> None:
    for days in (0, 3, 30):
        claim = builders.claim(services, builders.make_job(services))
        with services.database.transaction() as session:
            assert ledger.fail(session, claim, Failure(FailureKind.MODERATED, "No."))
            session.execute(update(JobEvent).values(at=JobEvent.at - timedelta(days=days, seconds=3)))
            while history.roll_up(session):
                pass

    found = look(services)

    assert found.outcomes["openai"].refused == found.of_hour["openai"].refused == 1
    assert found.of_week["openai"].refused == 2


def test_workers_that_take_jobs_are_counted(services: Services) -> None:
    add_worker(services)
    add_worker(services, quiet=True)
    add_worker(services, stopping=True)

    Presence(services.database, Part.CLERK).beat()

    assert look(services).workers == {"openai": 1}
    assert look(services).parts == {Part.WORKER: 1, Part.SCHEDULER: 0, Part.CLERK: 1}

    with services.database.transaction() as session:
        session.execute(update(Worker).values(seen_at=Worker.seen_at - timedelta(minutes=1)))
    assert look(services).workers == {}
    assert not any(look(services).parts.values())


def test_pictures_past_their_time_are_late(services: Services) -> None:
    claim = builders.claim(services, builders.make_job(services))
    with services.database.transaction() as session:
        builders.record(session, claim, Picture(position=0, png=b"png", revised_prompt=None), "key")
    assert look(services).sweep_lag == 0

    with services.database.transaction() as session:
        session.execute(update(Image).values(expires_at=Image.expires_at - timedelta(hours=2)))
    assert 3600 <= look(services).sweep_lag < 3700


def test_deliveries_of_the_last_hour_are_told(services: Services) -> None:
    _, caller = builders.make_caller(services)
    long_ago = UUID(int=job_ids.new_job_id().int - (timedelta(hours=2) // timedelta(milliseconds=1) << 80))
    row = {"key_id": caller.key_id, "url": "http://receiver", "event": "job.completed"}
    with services.database.transaction() as session:
        for state in DeliveryState:
            session.execute(insert(Delivery).values(**row, state=state))
        session.execute(insert(Delivery).values(**row, state=DeliveryState.FAILED, id=long_ago))

    assert look(services).tellings == Tellings(delivered=1, failed=1)
