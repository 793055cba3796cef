"""How a job is read: what came of it, and what happened to it."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, func, select
from sqlalchemy.orm import Session

from core.database import run
from core.errors import Failure
from core.orm import Image as ImageRow
from core.orm import Job, JobEvent, table_of
from core.statements import Given, Step, fixed
from core.states import SETTLED, JobState


@dataclass(frozen=True, slots=True)
class Image:
    """A stored picture of a job, or the record of one that has `expired`."""

    name: str
    object_key: str
    revised_prompt: str | None
    expired: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How a job ended: `images` in the order of their positions, or a `failure`; `provider` is who made them.

    `charged` is what it came to, in dollars.
    """

    state: JobState
    provider: str
    created_at: datetime
    images: list[Image]
    failure: Failure | None
    charged: Decimal | None


_JOBS, _IMAGES = table_of(Job), table_of(ImageRow)
_RESULTS = fixed(
    select(
        *(_JOBS.c[name] for name in ("id", "state", "provider", "created_at", "error", "charged")),
        *(_IMAGES.c[name] for name in ("name", "object_key", "revised_prompt")),
        (_IMAGES.c.expires_at <= func.statement_timestamp()).label("expired"),
    )
    .outerjoin_from(_JOBS, _IMAGES, _IMAGES.c.job_id == _JOBS.c.id)
    .where(_JOBS.c.id == any_(Given("job_ids", ARRAY(Uuid))), Job.state_in(*SETTLED))
    .order_by(_JOBS.c.id, _IMAGES.c.position)
)


def of_jobs(session: Session, job_ids: Collection[UUID]) -> dict[UUID, Result]:
    """The results of those jobs that are settled, in one query whatever their number."""
    found: dict[UUID, Result] = {}
    rows = run(session, Step(_RESULTS, {"job_ids": list(job_ids)}))
    for row in rows:
        if row.id not in found:
            found[row.id] = Result(
                state=JobState(row.state),
                provider=row.provider,
                created_at=row.created_at,
                images=[],
                failure=Failure.from_json(row.error) if row.error else None,
                charged=row.charged,
            )
        if row.name is not None:
            found[row.id].images.append(Image(row.name, row.object_key, row.revised_prompt, row.expired))
    return found


def job(session: Session, job_id: UUID) -> Job | None:
    return session.get(Job, job_id)


def history(session: Session, job_id: UUID) -> list[JobEvent]:
    """What happened to a job, oldest first."""
    return list(session.scalars(select(JobEvent).where(JobEvent.job_id == job_id).order_by(JobEvent.id)))
