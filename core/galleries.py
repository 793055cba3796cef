"""The newest pictures of everybody, for operators."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.orm import ApiKey, Image, Job
from core.states import JobState

LOOKED_AT = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A picture whose hour is not over, and where it comes from."""

    name: str
    position: int
    job_id: UUID
    model: str
    provider: str
    key: str
    prompt: str
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which pictures are looked for: of jobs made before the job `before`, with all that is named."""

    before: UUID | None = None
    provider: str | None = None
    model: str | None = None
    key_id: UUID | None = None


def page(session: Session, wanted: Wanted, *, limit: int) -> list[Shown]:
    """Newest first; of the newest LOOKED_AT that completed, so that a page costs the same whatever is looked for.

    All pictures of its last job are on it, be that more than the `limit`: the next page begins with another job.
    """
    newest = select(Job).where(Job.state_in(JobState.COMPLETED)).order_by(Job.id.desc()).limit(LOOKED_AT)
    if wanted.key_id is not None:
        newest = newest.where(Job.key_id == wanted.key_id)
    if wanted.before is not None:
        newest = newest.where(Job.id < wanted.before)
    job = newest.subquery("newest").c
    named = ((job.provider, wanted.provider), (job.model, wanted.model))
    found = (
        select(
            *(Image.name, Image.position, Image.created_at, Image.expires_at),
            *(job.id.label("job_id"), job.model, job.provider, ApiKey.name.label("key")),
            job.request["prompt"].astext.label("prompt"),
        )
        .join(job.id.table, job.id == Image.job_id)
        .join(ApiKey, ApiKey.id == job.key_id)
        .where(Image.expires_at > func.now(), Image.swept_at.is_(None))
        .where(*(column == name for column, name in named if name is not None))
        .order_by(job.id.desc())
        .fetch(limit, with_ties=True)
    ).subquery()
    ordered = select(found).order_by(found.c.job_id.desc(), found.c.position)
    return [Shown(**row) for row in session.execute(ordered).mappings()]
