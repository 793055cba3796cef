"""/ops/money: what was spent by whom and for what, what is set aside, and what is in doubt or was for nothing."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from werkzeug.exceptions import BadRequest

from api.dashboard import overview, windows
from api.dashboard.addresses import Address
from api.dashboard.visits import Visit
from core import abandonment, accounts, history, vitals
from core.abandonment import Abandoned
from core.history import Dimension, Outcomes, Scope, SpendingBin
from core.vitals import Money

SECTION = "Money"


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """As of one look. `spending` and `totals` are told apart by the chosen dimension."""

    spending: Sequence[SpendingBin]
    totals: dict[str, Outcomes]
    days: Sequence[SpendingBin]
    money: Money
    abandoned: Abandoned
    keys: Mapping[UUID, str]


def show(visit: Visit) -> str:
    window = windows.of(visit, usual="30d")
    by, scope = _asked(visit)
    view = visit.glass.look(("money", window, by, scope), lambda: _look(visit, window, by, scope))
    names = {str(key_id): name for key_id, name in view.keys.items()}
    order = [name for name, _ in Counter(_sums(view.spending)).most_common()]
    return visit.render(
        "money.html",
        title=SECTION,
        view=view,
        window=window,
        windows=windows.WINDOWS,
        by=by,
        dimensions=Dimension,
        names=names,
        order=sorted(view.totals, key=lambda name: -view.totals[name].charged),
        address=Address("/ops/money", {"window": window, "by": by, **_query(visit)}),
        plot=overview.spending_plot(view.spending, order, names),
        jobs=Address("/ops/jobs", _query(visit)).but(),
        spent=sum(_sums(view.spending).values(), Decimal(0)),
        key_name=names.get(str(scope.key_id)),
    )


def _asked(visit: Visit) -> tuple[Dimension, Scope]:
    try:
        key = visit.query.get("key")
        by = Dimension(visit.query.get("by", Dimension.PROVIDER))
        return by, Scope(
            provider=visit.query.get("provider"),
            model=visit.query.get("model"),
            key_id=UUID(key) if key else None,
        )
    except ValueError as error:
        raise BadRequest(f"This view cannot be shown: {error}.") from error


def _query(visit: Visit) -> dict[str, str]:
    return {name: visit.query[name] for name in ("provider", "model", "key") if visit.query.get(name)}


def _look(visit: Visit, window: str, by: Dimension, scope: Scope) -> View:
    with visit.reading() as session:
        bins = history.lately(session, windows.WINDOWS[window])
        totals = history.outcomes(session, bins, by, scope)
        shown = [UUID(name) for name in totals] if by is Dimension.KEY else []
        return View(
            spending=history.spending(session, bins, by, scope),
            totals=dict(totals),
            days=history.spending(session, history.days(session, 14), Dimension.PROVIDER, scope),
            money=vitals.money(session),
            abandoned=abandonment.lately(session),
            keys=accounts.names(session, [*shown, *([scope.key_id] if scope.key_id else [])]),
        )


def _sums(spending: Sequence[SpendingBin]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}
    for each in spending:
        for name, charged in each.charged.items():
            sums[name] = sums.get(name, Decimal(0)) + charged
    return sums
