"""What is dropped once it was kept long enough, and what is not."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import func, select, update

from core import images, retention
from core.bootstrap import Services
from core.images import Picture
from core.operations import again
from core.orm import (
    Batch,
    Delivery,
    DeliveryTry,
    File,
    IdempotencyKey,
    Image,
    Job,
    JobEvent,
    Operation,
    Posting,
    ProviderEvent,
    Watermark,
    Webhook,
)
from core.retention import Step, Terms
from core.states import BatchStatus, DeliveryState, OperationKind, ProviderEventKind
from tests import builders
from tests.stack import until
from workers import duties

DAY = timedelta(days=1)
# As if all that there is had ended long ago.
OVER = Terms(jobs=-DAY, prompts=-DAY)
PROMPTS_OVER = Terms(jobs=DAY, prompts=-DAY)
KEPT = Terms(jobs=DAY, prompts=DAY)


def complete(services: Services, *, swept: bool = True) -> UUID:
    """A job that ended with a picture, and what came of it is added up."""
    job_id = builders.make_job(services)
    claim = builders.claim(services, job_id)
    picture = Picture(position=0, png=b"png", revised_prompt="a lighthouse at dusk")
    with services.database.transaction() as session:
        builders.record(session, claim, picture, picture.object_key(claim))
        assert builders.succeed(session, claim)
        if swept:
            images.mark_swept(session, [picture.name])
        newest = select(func.max(JobEvent.id)).scalar_subquery()
        session.execute(update(Watermark).where(Watermark.name == "history").values(position=newest))
    return job_id


def do(services: Services, terms: Terms, *steps: Step) -> None:
    for step in steps or retention.STEPS:
        with services.database.transaction() as session:
            step(session, terms)


def rows(services: Services, *tables: type) -> list[int]:
    with services.database.transaction() as session:
        return [session.scalars(select(func.count()).select_from(table)).one() for table in tables]


def add(services: Services, *things: object) -> None:
    with services.database.transaction() as session:
        for thing in things:
            session.add(thing)
            session.flush()


def batch_of(key_id: UUID, batch_id: str, **given: object) -> Batch:
    columns = {
        "endpoint": "/v1/images/generations",
        "completion_window": "24h",
        "input_file_id": "file-1",
        "request_id": "req_test",
        "output_seconds": 3600,
        "expires_at": func.now(),
        "status": BatchStatus.COMPLETED,
        "ended_at": func.now(),
    }
    return Batch(id=batch_id, key_id=key_id, **{**columns, **given})


def test_a_job_goes_with_all_that_hangs_on_it_and_its_money_stays(services: Services) -> None:
    job_id = complete(services)
    key_id = builders.job_of(services, job_id).key_id
    name = IdempotencyKey(key_id=key_id, name="mine", fingerprint=job_id, job_id=job_id)
    ended = {"state": DeliveryState.DELIVERED, "ended_at": func.now()}
    told = Delivery(key_id=key_id, url="https://example.com", event="job.completed", job_id=job_id, **ended)
    add(services, name, told)
    add(services, DeliveryTry(delivery_id=told.id, seconds=0.1, status=200))
    postings = rows(services, Posting)

    do(services, OVER)

    assert rows(services, Job, JobEvent, Image, IdempotencyKey, Delivery, DeliveryTry) == [0] * 6
    assert rows(services, Posting) == postings != [0]


def test_what_is_young_live_or_has_a_picture_in_the_store_stays(services: Services) -> None:
    unswept = complete(services, swept=False)
    live = builders.make_job(services)

    do(services, OVER)
    complete(services)
    do(services, KEPT)

    with services.database.transaction() as session:
        jobs = session.scalars(select(Job.id).order_by(Job.id)).all()
    assert jobs[:2] == [unswept, live]
    assert len(jobs) == 3


def test_what_its_owner_is_still_to_be_told_stays(services: Services) -> None:
    job_id = complete(services)
    key_id = builders.job_of(services, job_id).key_id
    add(services, batch_of(key_id, "batch_1"))
    owed = {"key_id": key_id, "url": "https://example.com"}
    add(services, Delivery(event="job.completed", job_id=job_id, **owed))
    add(services, Delivery(event="batch.completed", batch_id="batch_1", **owed))

    do(services, OVER)
    assert rows(services, Job, Batch, Delivery) == [1, 1, 2]

    with services.database.transaction() as session:
        session.execute(update(Delivery).values(state=DeliveryState.DELIVERED, ended_at=func.now()))
    do(services, OVER)
    assert rows(services, Job, Batch, Delivery) == [0, 0, 0]


def test_nothing_goes_before_it_is_added_up(services: Services) -> None:
    complete(services)
    with services.database.transaction() as session:
        session.execute(update(Watermark).where(Watermark.name == "history").values(position=0))
        session.execute(update(JobEvent).values(at=func.now() - 2 * retention.UNCOUNTED))

    do(services, OVER)

    assert rows(services, Job) == [1]


def test_prompts_go_before_their_jobs_wherever_they_are_kept(services: Services) -> None:
    job_id, live = complete(services), builders.make_job(services)
    with services.database.transaction() as session:
        job = session.get_one(Job, job_id)
        job.request = {**job.request, "extras": {"negative_prompt": "people", "seed": 7}}
        job.received = {"n": 1, "negative_prompt": "people"}

    do(services, PROMPTS_OVER)

    job = builders.job_of(services, job_id)
    assert (job.request["prompt"], job.request["extras"], job.received) == ("", {"seed": 7}, None)
    assert job.request["size"] == "256x256"
    with services.database.transaction() as session:
        assert session.scalars(select(Image.revised_prompt)).all() == [None]
    assert builders.job_of(services, live).request["prompt"]


def test_prompts_of_the_young_stay_until_their_time_comes(services: Services) -> None:
    job_id = complete(services)

    do(services, KEPT)
    assert builders.job_of(services, job_id).request["prompt"]

    do(services, PROMPTS_OVER)
    assert builders.job_of(services, job_id).request["prompt"] == ""


def test_each_event_is_looked_at_once_for_its_prompt(services: Services) -> None:
    complete(services)
    do(services, PROMPTS_OVER)
    later = complete(services)

    with services.database.transaction() as session:
        position = session.get_one(Watermark, "prompts").position
        seen = session.scalars(select(JobEvent.job_id).where(JobEvent.id > position).distinct()).all()

    assert seen == [later]


def test_a_job_without_its_prompt_is_not_made_again(services: Services) -> None:
    job_id = complete(services)
    do(services, PROMPTS_OVER)

    with services.database.transaction() as session:
        job = session.get_one(Job, job_id)
        reason = again.record(session, services.catalog, job, services.catalog.model(job.model))

    assert reason == again.NO_PROMPT


def test_a_batch_goes_after_its_last_job_and_its_retry_stays(services: Services) -> None:
    job_id = complete(services)
    key_id = builders.job_of(services, job_id).key_id
    add(services, batch_of(key_id, "batch_1"))
    live = {"status": BatchStatus.IN_PROGRESS, "ended_at": None}
    add(services, batch_of(key_id, "batch_2", retry_of="batch_1", **live))
    with services.database.transaction() as session:
        session.execute(update(Job).values(batch_id="batch_1", line=1))

    do(services, OVER, retention.drop_batches)
    assert rows(services, Batch) == [2]
    do(services, OVER)

    with services.database.transaction() as session:
        left = session.scalars(select(Batch)).one()
    assert (left.id, left.retry_of) == ("batch_2", None)


def test_old_records_go_and_files_only_once_they_are_swept(services: Services) -> None:
    _, caller = builders.make_caller(services)
    described = {"key_id": caller.key_id, "purpose": "batch", "filename": "a", "bytes": 1, "object_key": "files/a"}
    add(services, File(id="file-swept", swept_at=func.now(), **described), File(id="file-there", **described))
    orders = {"kind": OperationKind.EXPORT, "actor": "ada", "selection": {}, "options": {}, "total": 0}
    add(services, Operation(ended_at=func.now(), **orders), Operation(**orders))
    add(services, ProviderEvent(provider="openai", event=next(iter(ProviderEventKind))))

    do(services, OVER)

    assert rows(services, File, Operation, ProviderEvent) == [1, 1, 0]


def test_a_webhook_goes_after_its_deletion_and_after_all_that_it_was_told(services: Services) -> None:
    _, caller = builders.make_caller(services)
    described = {"key_id": caller.key_id, "url": "https://example.com", "events": [], "secret": "whsec_"}
    there, deleted, told = (Webhook(**described, deleted_at=when) for when in (None, func.now(), func.now()))
    add(services, there, deleted, told)
    owed = {"key_id": caller.key_id, "url": "https://example.com", "event": "webhook.test"}
    add(services, Delivery(webhook_id=told.id, **owed))

    do(services, OVER)

    with services.database.transaction() as session:
        assert set(session.scalars(select(Webhook.id))) == {there.id, told.id}


def test_the_scheduler_drops_more_than_a_portion_in_its_turns(services: Services) -> None:
    builders.copy(services, complete(services), 2 * retention.PORTION, charged=Decimal(0))
    hurried = replace(services, settings=replace(services.settings, keep_jobs_days=-1, keep_prompts_days=-1))

    def all_gone() -> bool:
        duties.retain(hurried)
        return rows(services, Job) == [0]

    until(all_gone, "all jobs are dropped")
