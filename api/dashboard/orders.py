"""What is to be done to many jobs: foreseen at /ops/jobs/preview, and ordered at /ops/operations."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar
from uuid import UUID

from flask.typing import ResponseReturnValue
from werkzeug.exceptions import BadRequest

from api.dashboard.visits import Visit, is_ours
from core.operations import orders
from core.operations.orders import Dearer, OperationRefused, Options, Order
from core.operations.selections import Selection
from core.searches import search
from core.searches.search import SearchRefused
from core.states import Lane, OperationKind

T = TypeVar("T")

SECTION = "Jobs"
MOST_PICKED = 1000
# What can be asked of many jobs, in words.
DEEDS = {
    OperationKind.CANCEL: "Cancel",
    OperationKind.RETRY: "Make again",
    OperationKind.REROUTE: "Make elsewhere",
    OperationKind.CHANGE_LANE: "Change lane",
    OperationKind.EXPORT: "Export",
}


def preview(visit: Visit) -> str:
    """What an operation would do, before it is done."""
    return _foresee(visit, _ordered_by(visit))


def place(visit: Visit) -> ResponseReturnValue:
    """Have it done in the background; one that would cost more by now than was shown is shown again."""
    order = _ordered_by(visit)
    try:
        with visit.services.database.transaction() as session:
            operation_id = allowed(
                lambda: orders.place(session, visit.services.catalog, order, actor=visit.user.name, why=visit.why)
            )
    except Dearer:
        return _foresee(visit, order, is_dearer=True), 409
    return visit.done(f"{DEEDS[order.kind]}: ordered.", go_to=f"/ops/operations/{operation_id}")


def allowed(read: Callable[[], T]) -> T:
    """What is read of a query or a form. Raises BadRequest, in words."""
    try:
        return read()
    except (SearchRefused, OperationRefused, ValueError) as error:
        raise BadRequest(f"This cannot be done: {error}.".replace("..", ".")) from error


def _foresee(visit: Visit, order: Order, *, is_dearer: bool = False) -> str:
    with visit.services.database.transaction() as session:
        foreseen = allowed(lambda: orders.preview(session, visit.services.catalog, order))
    view = visit.form.get("view", "")
    return visit.render(
        "preview.html",
        title=f"{SECTION} · {DEEDS[order.kind]}",
        order=order,
        deed=DEEDS[order.kind],
        foreseen=foreseen,
        is_dearer=is_dearer,
        query=search.to_query(order.selection.search),
        view=view if is_ours(view) else "/ops/jobs",
    )


def _ordered_by(visit: Visit) -> Order:
    """What a form asks for: of the jobs that are ticked, or of all that its `query` finds. Raises BadRequest."""
    form = visit.form
    kind = allowed(lambda: OperationKind(form.get("kind", "")))
    options = Options(
        lane=allowed(lambda: Lane(form["lane"]))
        if form.get("lane") and kind is OperationKind.CHANGE_LANE
        else None,
        model=form.get("model") or None if kind is OperationKind.REROUTE else None,
        format=form.get("format") or None if kind is OperationKind.EXPORT else None,
        prompts=kind is OperationKind.EXPORT and visit.sees_prompts,
    )
    order = Order(kind=kind, selection=allowed(lambda: _selection(visit)), options=options)
    return allowed(lambda: _as_previewed(visit, order))


def _as_previewed(visit: Visit, order: Order) -> Order:
    """The order that a preview has shown, where the form is of one."""
    if not (shown := visit.form.get("operation")):
        return order
    return replace(order, id=UUID(shown), at_most=search.dollars(visit.form.get("at_most", "")))


def _selection(visit: Visit) -> Selection:
    if visit.form.get("all") == "1":
        query = {name: value for name, value in visit.form.items() if name.startswith("query.")}
        found = search.from_query({name.removeprefix("query."): value for name, value in query.items()})
        newest = visit.form.get("newest")
        return Selection(search=found, newest=UUID(newest)) if newest else Selection(search=found)
    ids = tuple(UUID(text) for text in visit.form.getlist("ids"))
    if not 1 <= len(ids) <= MOST_PICKED:
        raise ValueError(f"Pick from 1 to {MOST_PICKED} jobs, or all that match.")
    return Selection(ids=ids)
