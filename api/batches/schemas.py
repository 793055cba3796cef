"""The public contract of batches: what a body of POST /v1/batches holds, and the objects that answer."""

from datetime import datetime
from decimal import Decimal
from math import ceil
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from api.extras import is_text
from api.job_schemas import Described
from api.schemas import Name, Note
from api.wording import above, first, not_a_member, not_text, unknown
from core.batches.outlook import Outlook
from core.orm import Batch
from core.states import BatchStatus

ENDPOINT = "/v1/images/generations"
WINDOW = "24h"
ANCHOR = "created_at"
SHORTEST_LIFE, LONGEST_LIFE = 3600, 30 * 86_400
# How long results are kept unless a batch says otherwise.
USUAL_LIFE = 86_400
CHOICES = {"endpoint": (ENDPOINT,), "completion_window": (WINDOW,), "output_expires_after.anchor": (ANCHOR,)}


class OutputExpiresAfter(BaseModel):
    """How long what came of a batch is kept: its files of results, and its pictures."""

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)

    anchor: str
    """`created_at`: from when the files of results were made, which is when the batch ended."""
    seconds: Annotated[int, Field(ge=SHORTEST_LIFE, le=LONGEST_LIFE)]
    """A day, where a batch does not say; the operator may allow less than a month."""


class BatchBody(BaseModel):
    """A batch of requests to be made."""

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)

    input_file_id: str
    """A file that was uploaded with the purpose `batch`: a request a line."""
    endpoint: str
    """`/v1/images/generations`, as in every line."""
    completion_window: str
    """`24h`: what has not begun by then will not."""
    metadata: Annotated[dict[Name, Note], Field(max_length=16)] | None = None
    """Up to 16 pairs, kept with the batch."""
    output_expires_after: OutputExpiresAfter | None = None


class BatchFault(Described):
    """Why a file was refused."""

    code: str
    message: str
    param: str | None
    line: int | None
    """The line of the file that is at fault, from 1; null where it is the file, or the batch."""


class BatchFaults(Described):
    object: Literal["list"]
    data: list[BatchFault]


class RequestCounts(Described):
    total: int
    completed: int
    failed: int
    """Also what was cancelled or has expired: with `completed`, it adds up to `total` in the end."""


class BatchObject(Described):
    """A file of requests under way. Times are Unix seconds, null for what has not happened."""

    id: str
    object: Literal["batch"]
    endpoint: str
    model: None
    """The lines of a file may be for several."""
    errors: BatchFaults | None
    """Why it `failed`, or is about to: the lines that made it so. As a rule nothing of it was charged or made."""
    input_file_id: str
    completion_window: str
    status: BatchStatus
    output_file_id: str | None
    """The lines that completed; null until the batch has ended, and where there are none."""
    error_file_id: str | None
    """The lines that did not, likewise."""
    created_at: int
    in_progress_at: int | None
    expires_at: int
    """When its window is over."""
    finalizing_at: int | None
    completed_at: int | None
    failed_at: int | None
    expired_at: int | None
    cancelling_at: int | None
    cancelled_at: int | None
    request_counts: RequestCounts
    usage: None
    metadata: dict[str, str] | None
    paused: bool
    """Beyond OpenAI's contract: nothing of it starts for now."""
    queue_position: Annotated[int, Field(ge=1)] | None
    """Beyond OpenAI's contract: of its next line, 1 for the next to start; null while unknown."""
    expected_seconds: int | None
    """Beyond OpenAI's contract: until its last line will have ended: at the pace so far; before it has one, by how
    long its like took lately and what is ahead of it. Null while unknown."""
    retry_of: str | None
    """Beyond OpenAI's contract: the batch whose failed lines these are."""
    cost_usd: str
    """Beyond OpenAI's contract: what the lines that have ended came to."""
    reserved_usd: str
    """Beyond OpenAI's contract: what was set aside for all lines, and is the most that they can come to."""


class BatchList(Described):
    """A page of the caller's own batches, newest first. Of the `errors` of each, there are the first ten."""

    object: Literal["list"]
    data: list[BatchObject]
    first_id: str | None
    last_id: str | None
    """What to send as `after` for the next page."""
    has_more: bool


class LineResponse(Described):
    status_code: int
    request_id: str
    body: dict[str, Any]
    """As the synchronous call would have been answered."""


class LineError(Described):
    code: Literal["batch_cancelled", "batch_expired"]
    message: str


class LineResult(Described):
    """What came of a line: as in the files of results."""

    id: str
    custom_id: str
    response: LineResponse | None
    error: LineError | None
    """Why it was never sent."""


class ResultList(Described):
    """A page of the lines that have ended, in the order of the file."""

    object: Literal["list"]
    data: list[LineResult]
    first_line: int | None
    last_line: int | None
    """What to send as `after` for the next page."""
    has_more: bool
    ended_through: int
    """Up to this line all have ended: what to send as `after`, later on, to miss none."""


def parse(body: dict[str, Any], *, most_seconds: int) -> BatchBody:
    """Raises InvalidRequest."""
    for name in body:
        if name not in BatchBody.model_fields:
            raise unknown(name)
    try:
        fields = BatchBody.model_validate(body)
    except ValidationError as error:
        raise first(error.errors(include_url=False), {}) from None
    asked = {"endpoint": fields.endpoint, "completion_window": fields.completion_window}
    if life := fields.output_expires_after:
        asked["output_expires_after.anchor"] = life.anchor
        if life.seconds > most_seconds:
            raise above("output_expires_after.seconds", life.seconds, most_seconds)
    for name, value in asked.items():
        if value not in CHOICES[name]:
            raise not_a_member(name, value, CHOICES[name])
    for name, value in {"input_file_id": fields.input_file_id, **(fields.metadata or {})}.items():
        if not is_text(name + value):
            raise not_text(name)
    return fields


def batch_response(batch: Batch, outlook: Outlook) -> BatchObject:
    def ended_as(status: BatchStatus) -> int | None:
        return _seconds(batch.ended_at) if batch.status is status else None

    return BatchObject(
        id=batch.id,
        object="batch",
        endpoint=batch.endpoint,
        model=None,
        errors=_faults(batch),
        input_file_id=batch.input_file_id,
        completion_window=batch.completion_window,
        status=batch.status,
        output_file_id=batch.output_file_id,
        error_file_id=batch.error_file_id,
        created_at=int(batch.created_at.timestamp()),
        in_progress_at=_seconds(batch.in_progress_at),
        expires_at=int(batch.expires_at.timestamp()),
        finalizing_at=_seconds(batch.finalizing_at),
        completed_at=ended_as(BatchStatus.COMPLETED),
        failed_at=ended_as(BatchStatus.FAILED),
        expired_at=ended_as(BatchStatus.EXPIRED),
        cancelling_at=_seconds(batch.cancelling_at),
        cancelled_at=ended_as(BatchStatus.CANCELLED),
        request_counts=RequestCounts(
            total=batch.total, completed=batch.completed, failed=batch.failed + batch.cancelled
        ),
        usage=None,
        metadata=batch.metadata_,
        paused=batch.paused,
        queue_position=None if outlook.ahead is None else outlook.ahead + 1,
        expected_seconds=None if outlook.seconds is None else ceil(outlook.seconds),
        retry_of=batch.retry_of,
        cost_usd=_dollars(batch.charged),
        reserved_usd=_dollars(batch.price),
    )


def _faults(batch: Batch) -> BatchFaults | None:
    if batch.errors is None:
        return None
    return BatchFaults(object="list", data=[BatchFault(**fault) for fault in batch.errors])


def _seconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())


def _dollars(amount: Decimal) -> str:
    return format(amount, "f")
