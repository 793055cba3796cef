"""The lines of a batch, each of them a job: recorded in bulk, and read when they have ended."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from psycopg.errors import UniqueViolation
from psycopg.types.json import Jsonb
from sqlalchemy import func, insert, literal, select, update
from sqlalchemy.orm import Session

from core.batches import brake
from core.catalog import Model
from core.database import copy
from core.errors import DarkroomError
from core.generation import GenerationRequest, ResponseFormat
from core.job_ids import new_job_id
from core.orm import Batch, Image, Job, JobEvent
from core.states import LIVE, SETTLED, BatchStatus, Door, Event, JobState, Lane


class Overtaken(DarkroomError):
    """Somebody else has recorded these lines."""


class Place(NamedTuple):
    """How far into its file a batch is read: lines and bytes."""

    lines: int
    bytes: int


START = Place(0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A checked line of a batch's file. `slots` is how many provider calls it would make at once."""

    number: int
    custom_id: str
    request: GenerationRequest
    model: Model
    metadata: dict[str, str] | None
    priority: int
    slots: int

    @property
    def unit_price(self) -> Decimal:
        return self.model.price(self.request.size, self.request.quality)

    @property
    def price(self) -> Decimal:
        return self.unit_price * self.request.n


_COLUMNS = (
    *("id", "provider", "model", "upstream_model", "lane", "door", "key_id", "request_id", "request", "metadata"),
    *("unit_price", "price", "slots", "batch_id", "line", "custom_id", "held", "priority"),
)


def record(session: Session, batch: Batch, lines: Sequence[Line], *, end: Place) -> None:
    """Make jobs of the lines between the batch's place and `end`, which is its place from now on.

    What is called off is recorded all the same: every line of a batch has its result. Raises Overtaken where that
    was done before: by a process that was taken for dead.
    """
    # As far as can be told from what was read of the batch; the last statement knows better.
    held = batch.paused or batch.status is BatchStatus.CANCELLING
    ids = sorted(new_job_id() for _ in lines)  # of equal lines the first one starts first
    try:
        copy(session, "jobs", _COLUMNS, (_row(batch, *each, held=held) for each in zip(ids, lines, strict=True)))
    except UniqueViolation as error:
        raise Overtaken from error
    mine = (Job.batch_id == batch.id, Job.line > batch.read_lines, Job.line <= end.lines)
    session.execute(
        insert(JobEvent).from_select(
            ["job_id", "event", "attempt"], select(Job.id, literal(Event.RECORDED.value), literal(0)).where(*mine)
        )
    )
    # Last, since whoever settles a line of this batch waits for this row.
    moved = session.execute(
        update(Batch)
        .where(Batch.id == batch.id, Batch.read_bytes == batch.read_bytes, Batch.ended_at.is_(None))
        .values(read_lines=end.lines, read_bytes=end.bytes)
        .returning(brake.IS_ON.label("held"))
    ).one_or_none()
    if moved is None:
        raise Overtaken
    if moved.held != held:
        session.execute(update(Job).where(*mine).values(held=moved.held))


def _row(batch: Batch, job_id: UUID, line: Line, *, held: bool) -> tuple[Any, ...]:
    model, unit_price = line.model, line.unit_price
    return (
        job_id,
        model.provider,
        model.id,
        model.upstream_model,
        Lane.BATCH.value,
        Door.BATCH.value,
        batch.key_id,
        f"req_{job_id.hex}",
        Jsonb(line.request.to_json()),
        Jsonb(line.metadata) if line.metadata else None,
        unit_price,
        unit_price * line.request.n,
        line.slots,
        batch.id,
        line.number,
        line.custom_id,
        held,
        line.priority,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A line that has ended, without its pictures."""

    job_id: UUID
    number: int
    custom_id: str
    request_id: str
    model: str
    response_format: ResponseFormat
    settled_at: datetime


def ended(
    session: Session, batch_id: str, *, after: int, most: int, states: Collection[JobState] = SETTLED
) -> list[Ended]:
    """Lines beyond the line `after` that ended so, in the order of the file."""
    rows = session.execute(
        select(
            Job.id,
            Job.line,
            Job.custom_id,
            Job.request_id,
            Job.model,
            Job.request["response_format"].astext.label("response_format"),
            Job.settled_at,
        )
        .where(Job.batch_id == batch_id, Job.line > after, Job.state_in(*states))
        .order_by(Job.line)
        .limit(most)
    )
    return [
        Ended(
            job_id=row.id,
            number=row.line,
            custom_id=row.custom_id,
            request_id=row.request_id,
            model=row.model,
            response_format=ResponseFormat(row.response_format),
            settled_at=row.settled_at,
        )
        for row in rows
    ]


def ended_through(session: Session, batch: Batch) -> int:
    """The line up to which all have ended."""
    first_live = select(func.min(Job.line)).where(Job.batch_id == batch.id, Job.state_in(*LIVE))
    line: int | None = session.scalar(first_live)
    return batch.read_lines if line is None else line - 1


def embedded_bytes(session: Session, batch_id: str) -> int:
    """What the pictures that were asked for in themselves come to."""
    embedded = Job.request["response_format"].astext == ResponseFormat.B64_JSON
    found = select(func.coalesce(func.sum(Image.bytes), 0)).join(Job, Job.id == Image.job_id)
    return session.execute(found.where(Job.batch_id == batch_id, embedded)).scalar_one()


def can_be_made_again(session: Session, batch: Batch) -> bool:
    """Whether it is known what its lines without pictures asked for: prompts are not kept for good."""
    unmade = (Job.batch_id == batch.id, Job.state_in(JobState.FAILED, JobState.CANCELLED))
    known = select(func.count()).where(*unmade, Job.request["prompt"].astext != "")
    return session.execute(known).scalar_one() == batch.failed + batch.cancelled


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmade:
    """A line that has ended without pictures, as it was asked for."""

    number: int
    custom_id: str
    request: dict[str, Any]
    metadata: dict[str, str] | None
    priority: int


def unmade(session: Session, batch_id: str, *, after: int, most: int) -> list[Unmade]:
    """Lines beyond the line `after` that failed or were called off, in the order of the file."""
    rows = session.execute(
        select(Job.line, Job.custom_id, Job.request, Job.metadata_, Job.priority)
        .where(Job.batch_id == batch_id, Job.line > after, Job.state_in(JobState.FAILED, JobState.CANCELLED))
        .order_by(Job.line)
        .limit(most)
    )
    return [
        Unmade(
            number=row.line,
            custom_id=row.custom_id,
            request=row.request,
            metadata=row.metadata_,
            priority=row.priority,
        )
        for row in rows
    ]
