"""Everything that is known of one job, in a fixed number of statements."""

from dataclasses import asdict, replace
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import event

from core import forecasts, submissions, timelines
from core.bootstrap import Services
from core.database import run
from core.forecasts import Render
from core.images import LIFETIME
from core.job_ids import new_job_id
from core.orm import Image, Job, Webhook
from core.receipts import deliver, fetch
from core.states import Entry, Event
from core.timelines import Milestone, Timeline
from tests import builders
from tests.fakes import FakePollingProvider, FakeProvider
from workers.executor import Executor
from workers.providers.base import Pending
from workers.providers.errors import Unavailable

RECEIVED = {"model": "dall-e-2", "size": "auto", "style": "vivid", "user": "u-1", "n": 2}


def record(services: Services, *, n: int = 1, admit: bool = True) -> UUID:
    """A job, as it is recorded when somebody waits for it."""
    _, caller = builders.make_caller(services)
    builders.register(services)
    job_id = new_job_id()
    submission = builders.make_submission(services, job_id, caller, n=n, received=RECEIVED)
    submission = replace(submission, fingerprint=UUID(int=1), retry_count=2)
    with services.database.transaction() as session:
        run(session, submissions.recording(submission))
    if admit:
        services.intake.start_due("openai")
    return job_id


def attempt(services: Services, provider: FakeProvider, job_id: UUID) -> None:
    Executor(services, provider, name="openai", worker="worker-1").execute(job_id)


def timeline_of(services: Services, job_id: UUID) -> Timeline:
    with services.database.transaction() as session:
        timeline = timelines.of_job(session, job_id)
    assert timeline
    return timeline


def words(timeline: Timeline) -> list[str]:
    return [stage.what.value for stage in timeline.stages]


def test_every_step_of_a_job_has_its_time_and_how_long_it_took(services: Services) -> None:
    job_id = record(services)
    attempt(services, FakePollingProvider(Pending()), job_id)
    with services.database.transaction() as session:
        [image] = session.query(Image).filter_by(job_id=job_id)
        deliver(session, {job_id: timedelta(0)})
        fetch(session, {image.name: timedelta(0)})

    timeline = timeline_of(services, job_id)

    asked = [Milestone.SENT, Milestone.ACCEPTED, Milestone.ARRIVED, Milestone.STORED]
    ended = [Event.COMPLETED, Milestone.DELIVERED, Milestone.FETCHED]
    assert [stage.what for stage in timeline.stages] == [
        *(Event.RECORDED, Event.ADMITTED, Event.CLAIMED),
        *asked,
        *ended,
    ]
    first, last = timeline.stages[0], timeline.stages[-1]
    assert sum((stage.since for stage in timeline.stages), timedelta()) == last.at - first.at
    [accepted] = [stage for stage in timeline.stages if stage.what is Milestone.ACCEPTED]
    [arrived] = [stage for stage in timeline.stages if stage.what is Milestone.ARRIVED]
    assert (accepted.facts["id"], arrived.facts["polls"]) == ("1", 2)


def test_a_call_that_failed_says_why_and_the_next_attempt_follows(services: Services) -> None:
    job_id = record(services)
    attempt(services, FakeProvider(Unavailable("nobody there")), job_id)
    builders.make_due(services, job_id)
    attempt(services, FakeProvider(), job_id)

    timeline = timeline_of(services, job_id)

    [ended] = [stage for stage in timeline.stages if stage.what is Milestone.ENDED]
    assert (ended.attempt, ended.facts["outcome"], ended.facts["kind"]) == (1, "failed", "unavailable")
    assert words(timeline).count("claimed") == 2
    assert words(timeline)[-1] == "completed"


def test_what_was_received_became_and_was_sent_stand_side_by_side(services: Services) -> None:
    job_id, provider = record(services, n=2), FakeProvider()
    attempt(services, provider, job_id)

    timeline = timeline_of(services, job_id)

    [call] = timeline.calls
    [order] = provider.orders
    assert timeline.received == {**RECEIVED, "prompt": "a lighthouse"}
    assert timeline.dropped == ["style"]
    assert timeline.sent(call) == {**asdict(order), "size": str(order.size)}


def test_a_batchs_line_has_no_body_of_its_own(services: Services) -> None:
    job_id = builders.make_job(services)

    timeline = timeline_of(services, job_id)

    assert (timeline.received, timeline.dropped) == (None, [])


def test_a_batchs_line_was_received_with_its_batch(services: Services) -> None:
    job_id = builders.make_job(services)
    with services.database.transaction() as session:
        job = session.get_one(Job, job_id)
        batch = builders.add_batch(session, job.key_id)
        batch.created_at = job.created_at - timedelta(minutes=5)
        session.flush()
        job.batch_id, job.line = batch.id, 1

    first, second, *_ = timeline_of(services, job_id).stages

    assert (first.what, first.facts) == (Milestone.RECEIVED, {"batch": batch.id})
    assert second.what is Event.RECORDED
    assert second.since > timedelta(minutes=5)


def test_a_picture_counts_down_and_then_its_time_is_over(services: Services) -> None:
    job_id = record(services)
    attempt(services, FakeProvider(), job_id)
    timeline = timeline_of(services, job_id)
    assert LIFETIME - timedelta(minutes=1) < timeline.left(timeline.images[0]) <= LIFETIME

    with services.database.transaction() as session:
        session.get_one(Image, timeline.images[0].name).expires_at -= LIFETIME

    timeline = timeline_of(services, job_id)
    assert timeline.left(timeline.images[0]) == timedelta(0)
    assert "expired" in words(timeline)


def test_a_job_knows_its_key_money_caller_webhooks_forecast_and_kin(services: Services) -> None:
    job_id = record(services, admit=False)
    again = record(services, admit=False)
    with services.database.transaction() as session:
        job = session.get_one(Job, job_id)
        session.get_one(Job, again).retry_of = job_id
        hook = Webhook(
            key_id=job.key_id, url="https://example.com", events=["image.generation.job.completed"], secret=""
        )
        session.add(hook)
        forecasts.keep(session, job, Render(60.0, 90.0))
    services.intake.start_due("openai")
    attempt(services, FakeProvider(), job_id)

    timeline = timeline_of(services, job_id)

    assert timeline.key_name == "tester"
    assert timeline.retries == [again]
    assert {posting.entry for posting in timeline.postings} == {Entry.RESERVED, Entry.SETTLED}
    assert timeline.waiting_call
    assert timeline.waiting_call.retry_count == 2
    [told] = timeline.deliveries
    assert told.delivery.url == "https://example.com"
    assert timeline.forecast_error
    assert timeline.forecast_error < timedelta(0)


@pytest.mark.parametrize("attempts", [0, 3])
def test_the_number_of_statements_does_not_grow(services: Services, attempts: int) -> None:
    job_id = record(services)
    for _ in range(attempts):
        attempt(services, FakeProvider(Unavailable("away")), job_id)
        builders.make_due(services, job_id)
    counted: list[str] = []

    with services.database.transaction() as session:
        event.listen(session.connection(), "before_cursor_execute", lambda *given: counted.append(given[2]))
        timelines.of_job(session, job_id)

    assert len(counted) == 8


def test_there_is_no_timeline_of_a_job_that_is_not_there(services: Services) -> None:
    with services.database.transaction() as session:
        assert timelines.of_job(session, new_job_id()) is None
