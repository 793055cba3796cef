"""What is told of how long a batch will take, and of what is ahead of it."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, update

from core import admission, calls, forecasts
from core.batches import outlook
from core.batches.outlook import Outlook
from core.bootstrap import Services
from core.database import run
from core.forecasts import Forecaster
from core.keys import Caller
from core.orm import Batch, Job, ProviderCall
from core.states import BatchStatus, CallOutcome, Lane
from tests import builders

SECONDS = 4.0


@pytest.fixture
def caller(services: Services) -> Caller:
    return builders.make_caller(services)[1]


def rendered(services: Services, number: int = forecasts.FEWEST) -> None:
    """So many calls like those of all lines took so long."""
    for _ in range(number):
        claim = builders.claim(services, builders.make_job(services))
        with services.database.transaction() as session:
            call = calls.open_call(session, claim, positions=[0])
            run(session, calls.closing(call, CallOutcome.DELIVERED))
            assert builders.succeed(session, claim)
    with services.database.transaction() as session:
        took = ProviderCall.sent_at + timedelta(seconds=SECONDS)
        session.execute(update(ProviderCall).values(ended_at=took))


def submit(services: Services, caller: Caller, number: int, **changes: Any) -> str:
    """A batch whose lines are jobs that wait."""
    with services.database.transaction() as session:
        batch = builders.add_batch(session, caller.key_id)
        batch.status, batch.in_progress_at = BatchStatus.IN_PROGRESS, func.clock_timestamp()
        batch.total = batch.read_lines = number
    for line in range(1, number + 1):
        job_id = builders.queue(services, caller, lane=Lane.BATCH)
        change_job(services, job_id, batch_id=batch.id, line=line)
    change(services, batch.id, **changes)
    return batch.id


def change_job(services: Services, job_id: UUID, **values: Any) -> None:
    with services.database.transaction() as session:
        session.execute(update(Job).where(Job.id == job_id).values(**values))


def change(services: Services, batch_id: str, **values: Any) -> None:
    with services.database.transaction() as session:
        for name, value in values.items():
            setattr(session.get_one(Batch, batch_id), name, value)


def of(services: Services, batch_id: str) -> Outlook:
    with services.database.single() as session:
        return outlook.of_batch(session, session.get_one(Batch, batch_id), Forecaster())


def test_it_is_told_before_a_line_has_ended(services: Services, caller: Caller) -> None:
    rendered(services)
    builders.register(services, slots=11)  # one is kept for others
    batch_id = submit(services, caller, 31)

    assert of(services, batch_id) == Outlook(ahead=0, seconds=SECONDS * (1 + 30 / 10))


def test_what_others_have_waiting_is_counted_in_as_it_is_shared(services: Services, caller: Caller) -> None:
    rendered(services)
    builders.register(services, slots=11)
    submit(services, builders.make_caller(services)[1], 31)
    short = submit(services, caller, 10)

    assert of(services, short) == Outlook(ahead=1, seconds=SECONDS * (1 + (9 + 10) / 10))


def test_lines_of_many_pictures_take_as_many_slots(services: Services, caller: Caller) -> None:
    rendered(services)
    builders.register(services, slots=11)
    batch_id = submit(services, caller, 11)
    with services.database.transaction() as session:
        session.execute(update(Job).where(Job.batch_id == batch_id).values(slots=3))

    assert of(services, batch_id).seconds == SECONDS * (1 + 10 * 3 / 10)


def test_nothing_is_foretold_from_a_few_calls(services: Services, caller: Caller) -> None:
    rendered(services, forecasts.FEWEST - 1)
    batch_id = submit(services, caller, 2)

    assert of(services, batch_id) == Outlook(ahead=0, seconds=None)


def test_nothing_is_foretold_while_the_provider_starts_nothing(services: Services, caller: Caller) -> None:
    rendered(services)
    batch_id = submit(services, caller, 2)
    with services.database.transaction() as session:
        assert admission.pause(session, "openai")

    assert of(services, batch_id) == Outlook(ahead=0, seconds=None)


def test_lines_that_are_all_under_way_take_one_more_call(services: Services, caller: Caller) -> None:
    rendered(services)
    batch_id = submit(services, caller, 2)
    admission.admit(services.database, "openai")

    assert of(services, batch_id) == Outlook(ahead=None, seconds=SECONDS)


def test_once_lines_have_ended_it_goes_on_at_its_pace(services: Services, caller: Caller) -> None:
    begun = datetime.now(UTC) - timedelta(seconds=100)
    batch_id = submit(services, caller, 1, total=400, completed=90, failed=10, in_progress_at=begun)

    assert of(services, batch_id).seconds == pytest.approx(300, abs=5)


@pytest.mark.parametrize("changes", [{"paused": True}, {"status": BatchStatus.FINALIZING}], ids=str)
def test_nothing_is_told_of_what_does_not_go_on(
    services: Services, caller: Caller, changes: dict[str, Any]
) -> None:
    rendered(services)
    batch_id = submit(services, caller, 2, **changes)

    assert of(services, batch_id) == Outlook()


def test_what_was_told_first_is_kept(services: Services, caller: Caller) -> None:
    batch_id = submit(services, caller, 1)

    for seconds in (10.0, 500.0):
        with services.database.transaction() as session:
            outlook.keep(session, session.get_one(Batch, batch_id), seconds)

    with services.database.single() as session:
        expected_at = session.scalars(select(Batch.expected_at)).one()
    assert expected_at
    assert expected_at - datetime.now(UTC) < timedelta(seconds=20)
