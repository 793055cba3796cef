"""/ops/: what is wrong, what waits, how fast and how dear it is, at a glance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from itertools import accumulate
from typing import Any

from api.dashboard import windows
from api.dashboard.addresses import Address
from api.dashboard.charts import COLOURS, Plot, Series
from api.dashboard.visits import Visit
from core import admission, alerts, fleet, history, meters, vitals
from core.alerts import Alert
from core.fleet import Allowance
from core.history import Dimension, FailureGroup, Flow, Latencies, LatencyBin, Outcomes, SpendingBin
from core.rates import Standing
from core.vitals import Vitals

# What the cards of providers are about.
CARDS = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Everything on the page, as of one look. `outcomes` and `latencies` are of CARDS, the rest of the window.

    `rates` has those that a provider's calls are held to; what `headroom` they leave is not known without Redis.
    `allowances` are what providers say of their own limits.
    """

    vitals: Vitals
    alerts: Sequence[Alert]
    rates: Mapping[str, str]
    headroom: Mapping[str, Standing]
    allowances: Mapping[str, Allowance]
    outcomes: Mapping[str, Outcomes]
    latencies: Mapping[str, Latencies]
    flow: Flow
    speed: Sequence[LatencyBin]
    spending: Sequence[SpendingBin]
    failures: Sequence[FailureGroup]


def show(visit: Visit) -> str:
    window = windows.of(visit, usual="6h")
    view = visit.glass.look(("overview", window), lambda: _look(visit, window))
    providers = [provider.name for provider in view.vitals.providers]
    return visit.render(
        "overview.html",
        title="Overview",
        view=view,
        address=Address("/ops/", {"window": window}),
        windows=windows.WINDOWS,
        window=window,
        flow=flow_plot(view.flow),
        speed=speed_plot(view),
        spending=spending_plot(view.spending, providers),
        spent=sum((sum(each.charged.values(), Decimal(0)) for each in view.spending), Decimal(0)),
    )


def _look(visit: Visit, window: str) -> View:
    with visit.reading() as session:
        hour, bins = history.lately(session, CARDS), history.lately(session, windows.WINDOWS[window])
        chosen = {provider.name: provider.rate for provider in admission.providers(session)}
        found = vitals.look(session)
        read: dict[str, Any] = {
            "vitals": found,
            "allowances": fleet.allowances(session),
            "alerts": alerts.raised(found),
            "outcomes": found.of_hour,
            "latencies": history.latencies_by_provider(session, hour),
            "flow": history.flow(session, bins),
            "speed": history.latencies(session, bins),
            "spending": history.spending(session, bins, Dimension.PROVIDER),
            "failures": history.failures(session, bins),
        }
    services = visit.services
    return View(
        **read,
        rates=meters.rates_in_force(services.catalog, chosen),
        headroom=meters.headroom(services.rates, services.catalog, chosen),
    )


def flow_plot(flow: Flow) -> Plot:
    """How many jobs have ended since the window began, and on top of them how many have not."""
    ended = {
        name: list(accumulate(getattr(each, name) for each in flow.bins))
        for name in ("completed", "failed", "cancelled")
    }
    open_jobs = list(accumulate((each.recorded - each.settled for each in flow.bins), initial=flow.opening))[1:]
    layers = [Series(name, name, values) for name, values in ended.items()]
    return Plot(
        at=[each.at for each in flow.bins],
        series=[*layers, Series("open", "running", open_jobs)],
        kind="stack",
        words=f"{open_jobs[-1]} open, {ended['completed'][-1]} completed, {ended['failed'][-1]} failed",
    )


def speed_plot(view: View) -> Plot:
    """Wait and render over time; beside them how long the oldest job waits now, which no ended job tells."""

    def line(label: str, what: str, share: str, *, dashed: bool = False) -> Series:
        found = [getattr(each.latencies, what) for each in view.speed]
        return Series(label, what, [getattr(each, share) if each else None for each in found], dashed)

    oldest = max((provider.oldest for provider in view.vitals.providers), default=0.0)
    return Plot(
        at=[each.at for each in view.speed],
        series=[
            line("wait p50", "wait", "p50", dashed=True),
            line("wait p95", "wait", "p95"),
            line("render p50", "render", "p50", dashed=True),
            line("render p95", "render", "p95"),
            line("store p95", "store", "p95"),
            Series("oldest now", "oldest", [oldest] * len(view.speed), dashed=True),
        ],
        unit="seconds",
        log=True,
    )


def spending_plot(
    spending: Sequence[SpendingBin], names: Sequence[str], called: Mapping[str, str] | None = None
) -> Plot:
    """Dollars by name, as it is `called`; those beyond as many as there are colours, together."""
    told, others = names[: len(COLOURS) - 1], names[len(COLOURS) - 1 :]
    layers = [
        Series((called or {}).get(name, name), colour, [each.charged.get(name, 0) for each in spending])
        for name, colour in zip(told, COLOURS, strict=False)
    ]
    if others:
        rest = [sum((each.charged.get(name, Decimal(0)) for name in others), Decimal(0)) for each in spending]
        layers.append(Series("others", COLOURS[-1], rest))
    return Plot(at=[each.at for each in spending], series=layers, kind="bars", unit="dollars")
