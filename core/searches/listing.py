"""A page of the jobs that an operator looks for, with what is told of each in a line of a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import Session

from core.errors import Failure
from core.orm import ApiKey, Image, Job, JobEvent, ProviderCall
from core.searches.matches import guard, look
from core.searches.search import Search
from core.states import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A job in a table.

    `wait` is the seconds until its first attempt, `render` those from the first call to the last picture; None
    where it is not so far. `images` are the names of its pictures whose hour is not over.
    """

    job: Job
    key: str
    failure: Failure | None
    cost: Decimal
    wait: float | None
    render: float | None
    images: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Newest first. What is `older` comes before that job, what is `newer` after that one; None where nothing is.

    A page may be short, even empty, and have an `older` one: so far was looked.
    """

    jobs: tuple[Found, ...]
    older: UUID | None
    newer: UUID | None


def page(
    session: Session, search: Search, *, before: UUID | None = None, after: UUID | None = None, limit: int = 50
) -> Page:
    """The newest, those before a job, or those after one."""
    guard(session)
    found = look(session, search, before=before, after=after, most=limit)
    jobs = _read(session, found.ids)
    newest = jobs[0].job.id if jobs else None
    if after is None:
        return Page(jobs=jobs, older=found.last, newer=newest if before else None)
    return Page(jobs=jobs, older=jobs[-1].job.id if jobs else None, newer=found.last)


def _told(of_job: Select[Any]) -> ColumnElement[Any]:
    return of_job.correlate(Job).scalar_subquery()


def _seconds(begin: ColumnElement[datetime] | Any, end: ColumnElement[datetime] | Any) -> ColumnElement[Any]:
    return func.extract("epoch", end - begin)


_WAIT = _told(
    select(_seconds(Job.created_at, func.min(JobEvent.at))).where(
        JobEvent.job_id == Job.id, JobEvent.event == Event.CLAIMED
    )
)
_RENDER = _told(
    select(
        _seconds(
            func.min(ProviderCall.sent_at), func.max(func.coalesce(ProviderCall.arrived_at, ProviderCall.ended_at))
        )
    ).where(ProviderCall.job_id == Job.id)
)
_IMAGES = _told(
    select(func.array_agg(aggregate_order_by(Image.name, Image.position))).where(
        Image.job_id == Job.id, Image.expires_at > func.now(), Image.swept_at.is_(None)
    )
)
_FOUND = select(
    Job, ApiKey.name.label("key"), _WAIT.label("wait"), _RENDER.label("render"), _IMAGES.label("images")
).join(ApiKey, ApiKey.id == Job.key_id)


def _read(session: Session, job_ids: Sequence[UUID]) -> tuple[Found, ...]:
    rows = session.execute(_FOUND.where(Job.id.in_(job_ids)).order_by(Job.id.desc())) if job_ids else ()
    return tuple(
        Found(
            job=row.Job,
            key=row.key,
            failure=Failure.from_json(row.Job.error) if row.Job.error else None,
            cost=row.Job.price if row.Job.charged is None else row.Job.charged,
            wait=None if row.wait is None else float(row.wait),
            render=None if row.render is None else float(row.render),
            images=tuple(row.images or ()),
        )
        for row in rows
    )
