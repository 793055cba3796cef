"""Makes settled jobs again, as new ones: what was asked for, as far as the model of choice is able to."""

from collections.abc import Mapping
from dataclasses import replace
from uuid import UUID

from sqlalchemy import ColumnElement, exists, func, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from core import money, submissions
from core.catalog import Catalog, Model
from core.database import run
from core.errors import CapReached
from core.generation import GenerationRequest, Size
from core.job_ids import new_job_id
from core.offers import ANY
from core.orm import ApiKey, Job
from core.states import Door
from core.submissions import Submission

NO_MODEL = "the catalog has no such model now"
NO_PROMPT = "its prompt is not kept any more"
REVOKED = "its key was revoked"
EXPIRED = "its key has expired"
CAPS: Mapping[str, str] = {
    "cap": "the key's cap is reached",
    "cap_a_day": "the key's cap a day is reached",
    "cap_a_month": "the key's cap a month is reached",
}


def fitted(model: Model, *, size: Size, quality: str) -> tuple[Size, str] | None:
    """A size and quality that the model has; None where it cannot make this size."""
    if size not in model.sizes and not model.free_sizes:
        return None
    able = quality if quality in model.qualities else model.default_quality
    prices = model.prices.get(str(size)) or model.prices.get(ANY, {})
    return (size, able) if able in prices else None


def was_retried(job_id: ColumnElement[UUID] | InstrumentedAttribute[UUID]) -> ColumnElement[bool]:
    """Whether there is a job that was made of this one."""
    retry = aliased(Job)
    return exists(select(retry.id).where(retry.retry_of == job_id))


def record(session: Session, catalog: Catalog, job: Job, model: Model | None) -> str | None:
    """Put a new job like this one on the ledger, its price set aside anew; why not, in words, where it cannot be.

    Nobody waits for it, so it comes in by the asynchronous door; its lane is the old one's.
    """
    if model is None:
        return NO_MODEL
    if reason := _shut_out(session, job.key_id, model):
        return reason
    if not job.request["prompt"]:
        return NO_PROMPT
    request = _request(GenerationRequest.from_json(job.request), model)
    if request is None:
        return f"{model.id} cannot make it"
    submission = _submission(job, request, model)
    recording = submissions.recording(submission, slots=catalog.calls(model, request.n))
    if not run(session, recording):
        return _no_room(session, submission)
    session.execute(update(Job).where(Job.id == submission.job_id).values(retry_of=job.id))
    return None


def _shut_out(session: Session, key_id: UUID, model: Model) -> str | None:
    """Why the key itself could not ask for it by now."""
    expired = (ApiKey.expires_at <= func.clock_timestamp()).label("expired")
    key = session.execute(select(ApiKey.revoked_at, expired, ApiKey.models).where(ApiKey.id == key_id)).one()
    if key.revoked_at:
        return REVOKED
    if key.expired:
        return EXPIRED
    return None if key.models is None or model.id in key.models else f"its key may not use {model.id}"


def _request(asked: GenerationRequest, model: Model) -> GenerationRequest | None:
    able = fitted(model, size=asked.size, quality=asked.quality)
    if able is None or asked.n > model.max_n or len(asked.prompt) > model.max_prompt:
        return None
    return replace(
        asked,
        model=model.id,
        quality=able[1],
        style=asked.style if asked.style in model.styles else model.default_style,
        extras={name: value for name, value in asked.extras.items() if name in model.extras},
    )


def _submission(job: Job, request: GenerationRequest, model: Model) -> Submission:
    job_id = new_job_id()
    return Submission(
        job_id=job_id,
        request=request,
        model=model,
        key_id=job.key_id,
        request_id=f"req_{job_id.hex}",
        door=Door.ASYNC,
        lane=job.lane,
        priority=job.priority,
        metadata=job.metadata_,
        webhook_url=job.webhook_url,
    )


def _no_room(session: Session, submission: Submission) -> str:
    refusal = money.refusal(session, submission.key_id, submission.price)
    return CAPS[refusal.cap] if isinstance(refusal, CapReached) else "the key has too many jobs in flight"
