"""/ops/batches: how far each is, what came of its lines, what it costs; pause, resume, cancel, retry."""

from datetime import datetime

from flask import g
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session
from werkzeug.exceptions import BadRequest, NotFound

from api.batches import again
from api.dashboard.addresses import Address
from api.dashboard.visits import Visit
from core import audit
from core.batches import brake, lines, orders, outlook, overview
from core.batches.outlook import Outlook
from core.batches.overview import Seen
from core.states import BatchStatus

PAGE = 50
SECTION = "Batches"


def show(visit: Visit) -> str:
    query = {name: visit.query[name] for name in ("status", "before") if visit.query.get(name)}
    found = visit.glass.look(("batches", tuple(query.items())), lambda: _page(visit, query))
    return visit.render(
        "batches.html",
        title=SECTION,
        found=found[:PAGE],
        older=found[PAGE - 1].batch.created_at.isoformat() if len(found) > PAGE else None,
        address=Address("/ops/batches", query),
        statuses=BatchStatus,
    )


def one(visit: Visit, batch_id: str) -> str:
    seen, told, reasons, under_way = visit.glass.look(("batch", batch_id), lambda: _read(visit, batch_id))
    return visit.render(
        "batch.html",
        title=f"{SECTION} · {batch_id}",
        seen=seen,
        batch=seen.batch,
        outlook=told,
        reasons=reasons,
        under_way=under_way,
        is_open=seen.batch.status in orders.BEFORE_ITS_END,
        may_be_retried=seen.batch.ended_at is not None and seen.batch.failed + seen.batch.cancelled > 0,
    )


def pause(visit: Visit, batch_id: str) -> ResponseReturnValue:
    return _hold(visit, batch_id, paused=True)


def resume(visit: Visit, batch_id: str) -> ResponseReturnValue:
    return _hold(visit, batch_id, paused=False)


def cancel(visit: Visit, batch_id: str) -> ResponseReturnValue:
    with visit.services.database.transaction() as session:
        if not orders.start_cancelling(session, batch_id):
            raise BadRequest("There is no such batch that could be cancelled.")
        _record(visit, session, "batch.cancel", batch_id)
    brake.adjust(visit.services.database, batch_id)
    return visit.done("It is being cancelled; lines under way are finished.", go_to=f"/ops/batches/{batch_id}")


def retry(visit: Visit, batch_id: str) -> ResponseReturnValue:
    """Those of its lines that have no pictures, as a batch of their own; the same one for a form sent twice."""
    seen, *_ = _read(visit, batch_id)
    if seen.batch.ended_at is None or not seen.batch.failed + seen.batch.cancelled:
        raise BadRequest("No line of this batch can be made again.")
    batch = again.order(seen.batch, request_id=g.request_id)
    with visit.services.database.transaction() as session:
        if not lines.can_be_made_again(session, seen.batch):
            raise BadRequest("The prompts of this batch are not kept any more.")
        orders.take_turn(session, batch)
        if twin := orders.twin(session, batch):
            return visit.led(f"/ops/batches/{twin.id}", "Its failed lines had just become this batch.")
        orders.create(session, batch)
        _record(visit, session, "batch.retry", batch_id, batch=batch.id)
    return visit.led(f"/ops/batches/{batch.id}", "Its failed lines are a batch of their own now.")


def _hold(visit: Visit, batch_id: str, *, paused: bool) -> ResponseReturnValue:
    with visit.services.database.transaction() as session:
        if not orders.set_paused(session, batch_id, paused=paused):
            raise BadRequest("There is no such batch that could be paused.")
        _record(visit, session, "batch.pause" if paused else "batch.resume", batch_id)
    for provider in sorted(brake.adjust(visit.services.database, batch_id)):
        visit.services.intake.start_due(provider)
    said = "Paused: lines under way are finished." if paused else "It goes on."
    return visit.done(said, go_to=f"/ops/batches/{batch_id}")


def _page(visit: Visit, query: dict[str, str]) -> list[Seen]:
    try:
        status = BatchStatus(query["status"]) if "status" in query else None
        before = datetime.fromisoformat(query["before"]) if "before" in query else None
    except ValueError as error:
        raise BadRequest(f"This view cannot be shown: {error}.") from error
    with visit.reading() as session:
        return list(overview.page(session, status=status, before=before, limit=PAGE + 1))


def _read(visit: Visit, batch_id: str) -> tuple[Seen, Outlook, dict[str, int], int]:
    with visit.reading() as session:
        seen = overview.one(session, batch_id)
        if seen is None:
            raise NotFound(f"There is no batch {batch_id}.")
        told = outlook.of_batch(session, seen.batch, visit.services.forecaster)
        return seen, told, overview.reasons(session, batch_id), overview.under_way(session, batch_id)


def _record(visit: Visit, session: Session, action: str, batch_id: str, **detail: str) -> None:
    subject = f"batch {batch_id}"
    audit.record(session, actor=visit.user.name, action=action, subject=subject, why=visit.why, detail=detail)
