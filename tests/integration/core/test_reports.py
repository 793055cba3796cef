from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from core import admission, job_ids, reports, submissions
from core.bootstrap import Services
from core.database import run
from core.images import Picture
from core.keys import Caller
from core.reports import Report, Search
from core.states import Event
from tests import builders

ALL = Search(limit=100)


@pytest.fixture
def caller(services: Services) -> Caller:
    builders.register(services)
    _, caller = builders.make_caller(services)
    return caller


def make_job(services: Services, caller: Caller) -> UUID:
    """Queued."""
    job_id = job_ids.new_job_id()
    with services.database.transaction() as session:
        assert run(session, submissions.recording(builders.make_submission(services, job_id, caller, n=2)))
    return job_id


def page(services: Services, caller: Caller, search: Search = ALL) -> list[Report]:
    with services.database.single() as session:
        return reports.page(session, caller.key_id, search)


def of(services: Services, job_id: UUID) -> Report:
    with services.database.single() as session:
        return reports.of_jobs(session, [job_id])[job_id]


def test_a_report_has_the_history_and_the_pictures_of_its_job(services: Services, caller: Caller) -> None:
    job_id = make_job(services, caller)
    admission.admit(services.database, "openai")
    claim = builders.claim(services, job_id)
    with services.database.transaction() as session:
        for position in (1, 0):
            picture = Picture(position=position, png=b"png", revised_prompt=None)
            builders.record(session, claim, picture, picture.object_key(claim))
        assert builders.succeed(session, claim)

    report = of(services, job_id)

    events = [happening.event for happening in report.history]
    assert events == [Event.RECORDED, Event.ADMITTED, Event.CLAIMED, Event.COMPLETED]
    assert report.started_at == report.history[2].at
    assert report.job.created_at < report.started_at < report.history[3].at
    assert [picture.position for picture in report.pictures] == [0, 1]
    assert not any(picture.expired for picture in report.pictures)


def test_places_are_in_the_order_of_admission(services: Services, caller: Caller) -> None:
    first, second, third = (make_job(services, caller) for _ in range(3))
    with services.database.transaction() as session:
        session.execute(
            text("UPDATE jobs SET run_after = now() + interval '1 hour' WHERE id = :id"), {"id": first}
        )

    assert [of(services, job_id).queue_position for job_id in (second, third, first)] == [1, 2, 3]


def test_a_job_is_reported_to_its_own_key_alone(services: Services, caller: Caller) -> None:
    job_id = make_job(services, caller)
    _, other = builders.make_caller(services)

    with services.database.single() as session:
        assert reports.own(session, other.key_id, job_id) is None
        assert reports.own(session, caller.key_id, job_id) is not None


def test_a_moment_is_found_by_the_clock_of_the_database(services: Services, caller: Caller) -> None:
    """Ids have the clock of the process that makes them, which may run ahead or behind."""
    for seconds in (-30, 0, 30):
        made = UUID(int=job_ids.new_job_id().int + (seconds * 1000 << 80))
        submission = replace(builders.make_submission(services, made, caller), job_id=made)
        with services.database.transaction() as session:
            assert run(session, submissions.recording(submission))
    created = sorted(report.job.created_at for report in page(services, caller))

    def found(since: datetime | None = None, until: datetime | None = None) -> list[datetime]:
        search = Search(limit=100, created_after=since, created_before=until)
        return sorted(report.job.created_at for report in page(services, caller, search))

    assert found(since=created[0]) == created
    assert found(since=created[1]) == created[1:]
    assert found(until=created[1]) == created[:1]
    assert found(since=created[0], until=created[2]) == created[:2]
    assert found(since=created[2] + timedelta(microseconds=1)) == []


def test_a_page_begins_below_an_id_whether_or_not_that_job_is_there(services: Services, caller: Caller) -> None:
    job_id = make_job(services, caller)
    above = UUID(int=job_id.int + 1)

    assert [report.job.id for report in page(services, caller, Search(limit=9, after=above))] == [job_id]
    assert page(services, caller, Search(limit=9, after=job_id)) == []
