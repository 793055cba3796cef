"""A job as its owner reads it: the row, what happened to it, its pictures, and its place in the queue."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by
from sqlalchemy.orm import Session

from core import places
from core.forecasts import Render
from core.job_ids import CLOCKS_APART, first_id
from core.orm import Image, Job, JobEvent
from core.places import Place
from core.states import Event, JobState


@dataclass(frozen=True, slots=True)
class Happening:
    """One event of a job."""

    event: Event
    attempt: int
    at: datetime


@dataclass(frozen=True, slots=True)
class StoredPicture:
    """A picture of a job, as number `position`; its name leads nowhere any more once it has `expired`."""

    position: int
    name: str
    revised_prompt: str | None
    expires_at: datetime
    expired: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A job with its history, oldest first, and those of its pictures that are there, in order of position.

    All as of one moment, but for its `place` in the queue, and when it is `expected` to have ended.
    """

    job: Job
    history: tuple[Happening, ...]
    pictures: tuple[StoredPicture, ...]
    place: Place | None = None
    expected: Render | None = None

    @property
    def queue_position(self) -> int | None:
        """1 for the next to start."""
        return None if self.place is None else self.place.ahead + 1

    @property
    def started_at(self) -> datetime | None:
        """When its first attempt began."""
        return next((happening.at for happening in self.history if happening.event is Event.CLAIMED), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Which jobs are looked for: at most `limit`, made before the job `after`, with all that is named.

    `created_after` is the first moment that counts, `created_before` the first that does not.
    """

    limit: int
    after: UUID | None = None
    states: Collection[JobState] = ()
    model: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


_HISTORY = (
    select(
        func.jsonb_agg(
            aggregate_order_by(
                func.jsonb_build_array(JobEvent.event, JobEvent.attempt, func.extract("epoch", JobEvent.at)),
                JobEvent.id,
            ),
            type_=JSONB,
        )
    )
    .where(JobEvent.job_id == Job.id)
    .scalar_subquery()
)
_PICTURES = (
    select(
        func.jsonb_agg(
            aggregate_order_by(
                func.jsonb_build_array(
                    Image.position,
                    Image.name,
                    Image.revised_prompt,
                    func.extract("epoch", Image.expires_at),
                    Image.expires_at <= func.statement_timestamp(),
                ),
                Image.position,
            ),
            type_=JSONB,
        )
    )
    .where(Image.job_id == Job.id)
    .scalar_subquery()
)
_REPORTS = select(Job, _HISTORY.label("history"), _PICTURES.label("pictures"))


def own(session: Session, key_id: UUID, job_id: UUID) -> Report | None:
    """A job, where it is this key's."""
    reports = _read(session, _REPORTS.where(Job.id == job_id, Job.key_id == key_id))
    return reports[0] if reports else None


def of_jobs(session: Session, job_ids: Collection[UUID]) -> dict[UUID, Report]:
    """Those of these jobs that there are."""
    return {report.job.id: report for report in _read(session, _REPORTS.where(Job.id.in_(job_ids)))}


def page(session: Session, key_id: UUID, search: Search) -> list[Report]:
    """A key's jobs, newest first; in as many statements whatever their number."""
    found = _REPORTS.where(Job.key_id == key_id, *_conditions(search))
    return _read(session, found.order_by(Job.id.desc()).limit(search.limit))


def _conditions(search: Search) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if search.after:
        conditions.append(Job.id < search.after)
    if search.states:
        conditions.append(Job.state_in(*search.states))
    if search.model:
        conditions.append(Job.model == search.model)
    if search.metadata:
        conditions.append(Job.metadata_.contains(search.metadata))
    # Ids are in order of time: they have an index, which `created_at` has not.
    if search.created_after:
        since = first_id(search.created_after, after=-CLOCKS_APART)
        conditions += [Job.id >= since, Job.created_at >= search.created_after]
    if search.created_before:
        until = first_id(search.created_before, after=CLOCKS_APART)
        conditions += [Job.id < until, Job.created_at < search.created_before]
    return conditions


def _read(session: Session, wanted: Select[Any]) -> list[Report]:
    rows = session.execute(wanted).all()
    standing = places.of_jobs(session, [row.Job for row in rows])
    return [
        Report(
            job=row.Job,
            history=tuple(
                Happening(Event(event), attempt, _moment(at)) for event, attempt, at in row.history or ()
            ),
            pictures=tuple(
                StoredPicture(position, name, revised_prompt, _moment(expires_at), expired)
                for position, name, revised_prompt, expires_at, expired in row.pictures or ()
            ),
            place=standing.get(row.Job.id),
        )
        for row in rows
    ]


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
