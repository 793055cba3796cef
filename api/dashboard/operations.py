"""/ops/operations: what is being done to many jobs, how far it is, and what came of it."""

from collections.abc import Sequence
from uuid import UUID

from flask import Response
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from api.dashboard.visits import Visit
from core.operations import orders
from core.orm import Operation

SECTION = "Operations"
MOST = 100
TYPES = {"csv": "text/csv; charset=utf-8", "jsonl": "application/jsonl"}


def show(visit: Visit) -> str:
    return visit.render(
        "operations.html", title=SECTION, operations=visit.glass.look("operations", lambda: _every(visit))
    )


def one(visit: Visit, operation_id: UUID) -> str:
    operation = visit.glass.look(("operation", operation_id), lambda: _find(visit, operation_id))
    return visit.render("operation.html", title=f"{SECTION} · {operation_id}", operation=operation)


def stop(visit: Visit, operation_id: UUID) -> ResponseReturnValue:
    with visit.services.database.transaction() as session:
        if not orders.stop(session, operation_id, actor=visit.user.name, why=visit.why):
            raise NotFound("No such operation is under way.")
    return visit.done("Stopped. What was done stays done.", go_to=f"/ops/operations/{operation_id}")


def result(visit: Visit, operation_id: UUID) -> Response:
    """What an export has written, streamed from the store. With prompts only to users who may see them."""
    operation = _find(visit, operation_id)
    if operation.result is None or (operation.options["prompts"] and not visit.sees_prompts):
        raise NotFound("There is no export to be had here; one is kept for a day.")
    form = operation.options["format"]
    response = Response(visit.services.storage.stream(operation.result), mimetype=TYPES[form])
    response.headers["Content-Disposition"] = f'attachment; filename="jobs-{operation.id}.{form}"'
    return response


def _every(visit: Visit) -> Sequence[Operation]:
    with visit.reading() as session:
        return orders.every(session, MOST)


def _find(visit: Visit, operation_id: UUID) -> Operation:
    with visit.reading() as session:
        operation = orders.one(session, operation_id)
    if operation is None:
        raise NotFound(f"There is no operation {operation_id}.")
    return operation
