"""What callers are told of when their jobs will end, and what is kept of it."""

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select, update

from core import calls, forecasts
from core.bootstrap import Services
from core.database import run
from core.forecasts import Forecaster, Render
from core.keys import Caller
from core.orm import Forecast, ProviderCall
from core.places import Place
from core.states import CallOutcome
from tests import builders


@pytest.fixture
def caller(services: Services) -> Caller:
    builders.register(services)
    return builders.make_caller(services)[1]


def rendered(services: Services, seconds: float) -> None:
    """A job like all others whose call took so long."""
    job_id = builders.make_job(services)
    claim = builders.claim(services, job_id)
    with services.database.transaction() as session:
        call = calls.open_call(session, claim, positions=[0])
        run(session, calls.closing(call, CallOutcome.DELIVERED))
        took = update(ProviderCall).where(ProviderCall.id == call)
        session.execute(took.values(ended_at=ProviderCall.sent_at + timedelta(seconds=seconds)))


def expect(services: Services, job_id: UUID, place: Place | None) -> Render | None:
    with services.database.single() as session:
        return Forecaster().expect(session, builders.job_of(services, job_id), place)


def test_it_is_what_others_took_and_what_is_ahead(services: Services, caller: Caller) -> None:
    for seconds in range(1, 12):
        rendered(services, seconds)
    job_id = builders.queue(services, caller)

    assert expect(services, job_id, Place(ahead=0, slots=4)) == Render(6.0, 10.0)
    assert expect(services, job_id, Place(ahead=8, slots=4)) == Render(18.0, 30.0)


def test_nothing_is_foretold_from_a_few_calls_or_without_a_place_or_slots(
    services: Services, caller: Caller
) -> None:
    for _ in range(forecasts.FEWEST - 1):
        rendered(services, 5)
    job_id = builders.queue(services, caller)
    assert expect(services, job_id, Place(ahead=0, slots=1)) is None

    rendered(services, 5)

    assert expect(services, job_id, None) is None
    assert expect(services, job_id, Place(ahead=0, slots=0)) is None
    assert expect(services, job_id, Place(ahead=0, slots=1)) == Render(5.0, 5.0)


def test_what_was_told_first_is_kept(services: Services, caller: Caller) -> None:
    job = builders.job_of(services, builders.queue(services, caller))

    for seconds in (10.0, 500.0):
        with services.database.transaction() as session:
            forecasts.keep(session, job, Render(seconds, seconds))

    with services.database.single() as session:
        kept = session.scalars(select(Forecast)).one()
    assert kept.job_id == job.id
    assert kept.expected_at - kept.at < timedelta(seconds=20)
