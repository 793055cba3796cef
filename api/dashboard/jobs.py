"""/ops/jobs: all jobs, narrowed down by the address."""

from uuid import UUID

from api.dashboard.addresses import Address
from api.dashboard.charts import Plot, Series
from api.dashboard.orders import DEEDS, SECTION, allowed
from api.dashboard.visits import Visit
from core import accounts
from core.accounts import Choices
from core.errors import FailureKind
from core.searches import figures, listing, search
from core.searches.figures import Counts
from core.searches.listing import Page
from core.searches.search import Search
from core.states import Door, JobState, Lane


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
        is_first=before is None and after is None,
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
        counts = figures.counts(session, wanted)
        series = figures.series(session, wanted, counts.oldest)
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


def wanted_by(visit: Visit) -> Search:
    """Raises BadRequest."""
    return allowed(lambda: search.from_query(visit.query))


def _id(visit: Visit, name: str) -> UUID | None:
    text = visit.query.get(name)
    return allowed(lambda: UUID(text)) if text else None
