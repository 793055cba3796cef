"""Makes what a test needs on the ledger, by the same moves as the product."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import func, insert, literal, select, text, true
from sqlalchemy.orm import Session

from core import admission, images, job_ids, keys, ledger, results, submissions
from core.bootstrap import Services
from core.database import run
from core.generation import GenerationRequest, ResponseFormat, Size
from core.images import Picture
from core.keys import Caller, KeyLimits
from core.ledger import Claim
from core.orm import Batch, Job, JobEvent, Provider
from core.states import Event, JobState
from core.submissions import Submission

SMALL = Size(256, 256)
SLOTS = 500


def make_caller(services: Services, **limits: Any) -> tuple[str, Caller]:
    """A key and its owner; `limits` as in KeyLimits."""
    with services.database.transaction() as session:
        key = keys.create(session, "tester", KeyLimits(**limits))
        session.flush()
        caller = keys.find(session, key)
        assert caller
    return key, caller


def make_request(*, n: int = 1, prompt: str = "a lighthouse", size: Size = SMALL) -> GenerationRequest:
    return GenerationRequest(
        model="dall-e-2",
        prompt=prompt,
        n=n,
        size=size,
        quality="standard",
        style=None,
        response_format=ResponseFormat.URL,
    )


def register(services: Services, *, provider: str = "openai", slots: int = SLOTS) -> None:
    with services.database.transaction() as session:
        admission.register(session, provider, slots=slots)
        admission.set_slots(session, provider, slots)


def make_submission(services: Services, job_id: UUID, caller: Caller, *, n: int = 1, **given: Any) -> Submission:
    """`given` are further fields of it: lane, priority, …"""
    model = services.catalog.model("dall-e-2")
    assert model
    return Submission(
        job_id=job_id,
        request=make_request(n=n),
        model=model,
        key_id=caller.key_id,
        request_id="req_test",
        **given,
    )


def make_job(services: Services, *, n: int = 1, admit: bool = True, slots: int = 1) -> UUID:
    """A job that is dispatched, or queued where it is not admitted."""
    _, caller = make_caller(services)
    job_id = job_ids.new_job_id()
    with services.database.transaction() as session:
        run(session, submissions.recording(make_submission(services, job_id, caller, n=n), slots=slots))
        if admit:
            admission.register(session, "openai", slots=SLOTS)
    if admit:
        assert job_id in admission.admit(services.database, "openai")
    return job_id


def queue(services: Services, caller: Caller, **given: Any) -> UUID:
    """A queued job of a caller; `given` as for a submission, and its `slots`."""
    job_id, slots = job_ids.new_job_id(), given.pop("slots", 1)
    with services.database.transaction() as session:
        run(session, submissions.recording(make_submission(services, job_id, caller, **given), slots=slots))
    return job_id


def copy(services: Services, job_id: UUID, number: int, **changed: Any) -> None:
    """So many more jobs like this one, free of charge, that differ in these columns."""
    given = {column.name for column in Job.__table__.columns} - {"id", "unit_price", "price", *changed}
    columns = ("id", "unit_price", "price", *given, *changed)
    values = [func.uuidv7(), literal(0), literal(0), *(Job.__table__.c[name] for name in given)]
    values += [literal(value, Job.__table__.c[name].type) for name, value in changed.items()]
    source = (
        select(*values).join_from(Job, func.generate_series(1, number).alias(), true()).where(Job.id == job_id)
    )
    with services.database.transaction() as session:
        session.execute(insert(Job).from_select(columns, source))


def add_batch(session: Session, key_id: UUID) -> Batch:
    """One whose file nobody has read yet."""
    batch = Batch(
        id=f"batch_{uuid4().hex}",
        key_id=key_id,
        endpoint="/v1/images/generations",
        completion_window="24h",
        input_file_id="file-1",
        request_id="req_test",
        output_seconds=3600,
        expires_at=func.now() + timedelta(hours=23),
    )
    session.add(batch)
    return batch


def claim(services: Services, job_id: UUID, *, worker: str = "worker-1") -> Claim:
    with services.database.transaction() as session:
        claimed = try_to_claim(session, job_id, worker)
    assert claimed
    return claimed


def try_to_claim(session: Session, job_id: UUID, worker: str) -> Claim | None:
    return ledger.claim_of(run(session, ledger.claiming(job_id, worker)))


def record(session: Session, claim: Claim, picture: Picture, object_key: str) -> None:
    run(session, images.recording(claim, picture, object_key))


def succeed(session: Session, claim: Claim) -> bool:
    return bool(run(session, ledger.succeeding(claim)))


def lose_lease(services: Services, job_id: UUID) -> None:
    """As if the worker had not been heard of for too long."""
    with services.database.transaction() as session:
        job = session.get_one(Job, job_id)
        assert job.lease_until
        job.lease_until -= ledger.LEASE + timedelta(seconds=1)


def make_due(services: Services, job_id: UUID) -> None:
    """Dispatch a job as if the time of its next attempt had come, and any rest of its provider was over."""
    with services.database.transaction() as session:
        job = session.get_one(Job, job_id)
        job.run_after = job.created_at
        provider = session.get_one(Provider, job.provider)
        provider.paused_until = provider.open_until = None
    assert job_id in admission.admit(services.database, "openai")


def job_of(services: Services, job_id: UUID) -> Job:
    with services.database.transaction() as session:
        return session.get_one(Job, job_id)


def state_of(services: Services, job_id: UUID) -> JobState:
    return job_of(services, job_id).state


def history_of(services: Services, job_id: UUID) -> list[JobEvent]:
    with services.database.transaction() as session:
        return results.history(session, job_id)


def events_of(services: Services, job_id: UUID) -> list[Event]:
    return [event.event for event in history_of(services, job_id)]


def now(session: Session) -> datetime:
    """The database's clock."""
    moment: datetime = session.execute(select(func.clock_timestamp())).scalar_one()
    return moment


def is_held_up(services: Services) -> bool:
    """Whether anybody waits for a lock."""
    waiting = text("SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
    with services.database.single() as session:
        return session.execute(waiting).first() is not None
