"""The public contract of a job: the object that every address under /v1/images/jobs answers with."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from api import pictures
from api.errors import FAILURES
from core.bootstrap import Services
from core.errors import Failure
from core.forecasts import Render
from core.generation import ResponseFormat
from core.orm import Job
from core.reports import Report, StoredPicture
from core.states import Door, JobState


class JobStatus(StrEnum):
    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


STATES: dict[str, tuple[JobState, ...]] = {
    JobStatus.QUEUED: (JobState.QUEUED, JobState.DISPATCHED),
    JobStatus.IN_PROGRESS: (JobState.RUNNING,),
    JobStatus.COMPLETED: (JobState.COMPLETED,),
    JobStatus.FAILED: (JobState.FAILED,),
    JobStatus.CANCELLED: (JobState.CANCELLED,),
}
STATUSES = {state: JobStatus(status) for status, states in STATES.items() for state in states}
SETTLED = {JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED}
# An exact decimal, never `0E-8`.
Dollars = Annotated[Decimal, PlainSerializer("{:f}".format, return_type=str)]


class Described(BaseModel):
    """What is written under a field is what callers read of it."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    def to_json(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude_unset=True)


class JobError(Described):
    message: str
    type: str
    param: str | None
    code: str | None


class JobPicture(Described):
    url: str | None
    """Where the picture is, whatever the request's `response_format`; null once it has expired."""
    revised_prompt: str | None = None
    """Only of models that revise prompts."""


class JobRequest(Described):
    """The request as it was understood: with every default, and the model's own words."""

    model: str
    prompt: str
    n: int
    size: str
    quality: str
    style: str | None
    response_format: ResponseFormat
    extras: dict[str, Any]


class JobForecast(Described):
    """By how long others of its model, size and quality took lately, and what is queued before it."""

    p50_seconds: float
    p90_seconds: float


class JobUsage(Described):
    """Exact decimals, in US dollars."""

    cost_usd: Dollars | None
    """What the job came to; null until it has ended."""
    reserved_usd: Dollars
    """What was set aside when it came in, and is the most that it can come to."""


class ImageJob(Described):
    """One accepted request for pictures. Times are Unix seconds."""

    id: str
    object: Literal["image.generation.job"]
    status: JobStatus
    model: str
    provider: str
    """Who makes the pictures, or made them."""
    created_at: int
    started_at: int | None
    """When its first attempt began."""
    completed_at: int | None
    """When it ended, in whichever way."""
    expires_at: int | None
    """When the first of its pictures expires."""
    progress: Annotated[int, Field(ge=0, le=100)]
    """How many of its pictures are there, in percent."""
    queue_position: Annotated[int, Field(ge=1)] | None
    """1 for the next to start; null once its turn has come, and while more than a thousand go before it."""
    expected: JobForecast | None
    """In how many seconds it will have ended, while it is queued; null where too little is known of its kind, and
    while its provider starts nothing."""
    attempts: int
    error: JobError | None
    """Why it failed, in the words of the synchronous answer."""
    data: list[JobPicture]
    """The pictures that are there, in their order: also while others are made, and when those have failed."""
    request: JobRequest
    metadata: dict[str, str] | None
    usage: JobUsage
    door: Door
    """How it came in."""
    request_id: str
    """The `x-request-id` of the answer to the request that made it."""


class JobList(Described):
    """A page of the caller's own jobs, newest first."""

    object: Literal["list"]
    data: list[ImageJob]
    first_id: str | None
    last_id: str | None
    """What to send as `after` for the next page."""
    has_more: bool


def job_response(report: Report, services: Services) -> ImageJob:
    job = report.job
    return ImageJob(
        id=str(job.id),
        object="image.generation.job",
        status=STATUSES[job.state],
        model=job.model,
        provider=job.provider,
        created_at=int(job.created_at.timestamp()),
        started_at=_seconds(report.started_at),
        completed_at=_seconds(job.settled_at),
        expires_at=_seconds(min((picture.expires_at for picture in report.pictures), default=None)),
        progress=progress(report),
        queue_position=report.queue_position,
        expected=_forecast(report.expected),
        attempts=job.attempt,
        error=_error(Failure.from_json(job.error)) if job.error else None,
        data=[picture_response(picture, job, services) for picture in report.pictures],
        request=JobRequest.model_validate(job.request),
        metadata=job.metadata_,
        usage=JobUsage(cost_usd=job.charged, reserved_usd=job.price),
        door=job.door,
        request_id=job.request_id,
    )


def progress(report: Report) -> int:
    """How many of a job's pictures are there, in percent."""
    n: int = report.job.request["n"]
    return 100 * len(report.pictures) // n


def picture_response(picture: StoredPicture, job: Job, services: Services) -> JobPicture:
    url = None if picture.expired else pictures.address(services, picture.name)
    model = services.catalog.model(job.model)
    if model and model.revises_prompt:
        return JobPicture(url=url, revised_prompt=picture.revised_prompt or "")
    return JobPicture(url=url)


def _error(failure: Failure) -> JobError:
    answer = FAILURES[failure.kind]
    return JobError(message=failure.message, type=answer.type, param=answer.param, code=answer.code)


def _forecast(expected: Render | None) -> JobForecast | None:
    if expected is None:
        return None
    return JobForecast(p50_seconds=round(expected.p50, 1), p90_seconds=round(expected.p90, 1))


def _seconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())
