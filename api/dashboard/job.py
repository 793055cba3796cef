"""/ops/jobs/{id}: everything that is known of one job, and what can be done to it."""

from uuid import UUID

from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session
from werkzeug.exceptions import BadRequest, NotFound

from api.dashboard.visits import Visit
from core import audit, cancellation, deliveries, timelines
from core.errors import Failure
from core.states import LIVE, JobState
from core.timelines import Timeline

SECTION = "Jobs"


def show(visit: Visit, job_id: UUID) -> str:
    timeline = visit.glass.look(("job", job_id), lambda: _read(visit, job_id))
    if timeline is None:
        raise NotFound(f"There is no job {job_id}.")
    job = timeline.job
    return visit.render(
        "job.html",
        title=f"{SECTION} · {job_id}",
        timeline=timeline,
        job=job,
        failure=Failure.from_json(job.error) if job.error else None,
        is_live=job.state in LIVE,
        can_be_made_again=job.state in {JobState.FAILED, JobState.CANCELLED} and not timeline.retries,
        handle_id=timelines.handle_id,
        shown=visit.sees_prompts,
        models=[model.id for model in visit.services.catalog.models],
    )


def cancel(visit: Visit, job_id: UUID) -> ResponseReturnValue:
    with visit.services.database.transaction() as session:
        if not cancellation.settle(session, job_id):
            raise BadRequest("There is no such job that could be cancelled; it may have ended already.")
        _record(visit, session, "job.cancel", job_id)
    visit.services.notifier.announce(job_id)
    return visit.done("Cancelled.", go_to=f"/ops/jobs/{job_id}")


def redeliver(visit: Visit, job_id: UUID, delivery_id: UUID) -> ResponseReturnValue:
    with visit.services.database.transaction() as session:
        timeline = timelines.of_job(session, job_id)
        if timeline is None or delivery_id not in {each.delivery.id for each in timeline.deliveries}:
            raise NotFound("This job has no such delivery.")
        deliveries.redeliver(session, delivery_id)
        _record(visit, session, "delivery.redeliver", job_id, delivery=str(delivery_id))
    return visit.done("It is told again.", go_to=f"/ops/jobs/{job_id}")


def _record(visit: Visit, session: Session, action: str, job_id: UUID, **detail: str) -> None:
    subject = f"job {job_id}"
    audit.record(session, actor=visit.user.name, action=action, subject=subject, why=visit.why, detail=detail)


def _read(visit: Visit, job_id: UUID) -> Timeline | None:
    with visit.reading() as session:
        return timelines.of_job(session, job_id)
