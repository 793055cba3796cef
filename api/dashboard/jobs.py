"""/ops/jobs: all jobs, narrowed down; and what is to be done to those that are picked, or to all that match."""

from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

from flask.typing import ResponseReturnValue
from werkzeug.exceptions import BadRequest

from api.dashboard.addresses import Address
from api.dashboard.charts import Plot, Series
from api.dashboard.visits import Visit
from core import accounts
from core.accounts import Choices
from core.errors import FailureKind
from core.operations import orders
from core.operations.orders import OperationRefused, Options, Order
from core.operations.selections import Selection
from core.searches import figures, listing, search
from core.searches.figures import Counts
from core.searches.listing import Page
from core.searches.search import Search, SearchRefused
from core.states import Door, JobState, Lane, OperationKind

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


def show(visit: Visit) -> str:
    wanted = wanted_by(visit)
    before, after = (_id(visit, name) for name in ("before", "after"))
    asked = tuple(sorted(search.to_query(wanted).items()))
    page, counts, series, keys = visit.glass.look(
        ("jobs", asked, before, after), lambda: _read(visit, wanted, before=before, after=after)
    )
    return visit.render(
        "jobs.html",
        title=SECTION,
        search=wanted,
        address=Address("/ops/jobs", search.to_query(wanted)),
        page=page,
        counts=counts,
        plot=_plot(series),
        keys=keys,
        choices={"door": Door, "lane": Lane, "error": FailureKind},
        states=JobState,
        deeds=DEEDS,
        models=[model.id for model in visit.services.catalog.models],
    )


Read = tuple[Page, Counts, figures.Series, Choices]


def _read(visit: Visit, wanted: Search, *, before: UUID | None, after: UUID | None) -> Read:
    with visit.services.database.transaction() as session:
        page = listing.page(session, wanted, before=before, after=after)
        counts, series = figures.counts(session, wanted), figures.series(session, wanted)
        return page, counts, series, accounts.choices(session, wanted.key_id)


def _plot(series: figures.Series) -> Plot:
    return Plot(
        at=[each.at for each in series.bins],
        series=[
            Series(state.value, state.value, [each.states.get(state, 0) for each in series.bins])
            for state in JobState
            if any(each.states.get(state) for each in series.bins)
        ],
        kind="bars",
    )


def preview(visit: Visit) -> str:
    """What an operation would do, before it is done."""
    order = ordered_by(visit)
    with visit.services.database.transaction() as session:
        foreseen = _allowed(lambda: orders.preview(session, visit.services.catalog, order))
    return visit.render(
        "preview.html",
        title=f"{SECTION} · {DEEDS[order.kind]}",
        order=order,
        deed=DEEDS[order.kind],
        foreseen=foreseen,
        query=search.to_query(order.selection.search),
    )


def place(visit: Visit) -> ResponseReturnValue:
    """Have it done in the background."""
    order = ordered_by(visit)
    with visit.services.database.transaction() as session:
        operation_id = _allowed(
            lambda: orders.place(session, visit.services.catalog, order, actor=visit.user.name, why=visit.why)
        )
    return visit.done(f"{DEEDS[order.kind]}: ordered.", go_to=f"/ops/operations/{operation_id}")


def wanted_by(visit: Visit) -> Search:
    """Raises BadRequest."""
    return _allowed(lambda: search.from_query(visit.query))


def ordered_by(visit: Visit) -> Order:
    """What a form asks for: of the jobs that are ticked, or of all that its `query` finds. Raises BadRequest."""
    form = visit.form
    kind = _allowed(lambda: OperationKind(form.get("kind", "")))
    options = Options(
        lane=_allowed(lambda: Lane(form["lane"]))
        if form.get("lane") and kind is OperationKind.CHANGE_LANE
        else None,
        model=form.get("model") or None if kind is OperationKind.REROUTE else None,
        format=form.get("format") or None if kind is OperationKind.EXPORT else None,
        prompts=kind is OperationKind.EXPORT and visit.sees_prompts,
    )
    return Order(kind=kind, selection=_allowed(lambda: _selection(visit)), options=options)


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


def _allowed(read: Callable[[], T]) -> T:
    try:
        return read()
    except (SearchRefused, OperationRefused, ValueError) as error:
        raise BadRequest(f"This cannot be done: {error}.".replace("..", ".")) from error


def _id(visit: Visit, name: str) -> UUID | None:
    text = visit.query.get(name)
    return _allowed(lambda: UUID(text)) if text else None
