"""/ops/providers: how each stands, what it may do, and what befell it; steered from here without a restart."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session
from werkzeug.exceptions import BadRequest, NotFound

from api.dashboard import overview
from api.dashboard.visits import Visit
from core import admission, audit, breaker, fleet, history, meters, standings
from core.catalog import Catalog
from core.fleet import Allowance
from core.history import Dimension, Latencies, Outcomes
from core.orm import Provider, ProviderEvent
from core.rates import Standing
from core.standings import ProviderStanding

MOST_SLOTS = 99_999
DIGITS = len(str(MOST_SLOTS))
MOST_EVENTS = 12

Change = Callable[[Session, str], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A provider as its card shows it. `catalog_rate` holds where operators have chosen none.

    `headroom` is what is left of the rate that we keep to, `allowance` of the limit that the provider tells.
    """

    row: Provider
    standing: ProviderStanding
    events: Sequence[ProviderEvent]
    outcomes: Outcomes | None
    latencies: Latencies | None
    headroom: Standing | None
    allowance: Allowance | None
    catalog_rate: str | None
    fallbacks: Mapping[str, Sequence[str]]


def show(visit: Visit) -> str:
    seen = visit.glass.look("providers", lambda: _read(visit))
    return visit.render("providers.html", title="Providers", seen=seen)


def pause(visit: Visit, name: str) -> ResponseReturnValue:
    return _steer(visit, name, admission.pause, action="provider.pause", said="starts nothing new")


def drain(visit: Visit, name: str) -> ResponseReturnValue:
    said = "starts nothing new, and what waits goes to its stand-ins"
    return _steer(visit, name, admission.drain, action="provider.drain", said=said)


def resume(visit: Visit, name: str) -> ResponseReturnValue:
    return _steer(visit, name, admission.resume, action="provider.resume", said="starts jobs again")


def change(visit: Visit, name: str) -> ResponseReturnValue:
    """Its slots and its rate, from now on."""
    slots, rate = visit.form.get("slots", ""), visit.form.get("rate", "").strip() or None
    if not slots.isdecimal() or len(slots) > DIGITS:
        raise BadRequest(f"Slots are a number from 0 to {MOST_SLOTS}.")
    with visit.services.database.transaction() as session:
        if not admission.set_slots(session, name, int(slots)):
            raise _missing(name)
        _set_rate(session, name, rate)
        _record(visit, session, "provider.change", name, slots=slots, rate=rate or "the catalog's")
    visit.services.intake.start_due(name)
    return visit.done(f"{name} has {slots} slots from now on.", go_to="/ops/providers")


def _set_rate(session: Session, name: str, rate: str | None) -> None:
    try:
        admission.set_rate(session, name, rate)
    except ValueError as error:
        raise BadRequest(f"{str(error).capitalize()}.") from error


def _read(visit: Visit) -> list[Seen]:
    catalog = visit.services.catalog
    with visit.reading() as session:
        hour = history.lately(session, overview.CARDS)
        rows = {row.name: row for row in admission.providers(session)}
        standing = standings.providers(session)
        outcomes = history.outcomes(session, hour, Dimension.PROVIDER)
        latencies = history.latencies_by_provider(session, hour)
        events = breaker.history(session, MOST_EVENTS)
        allowances = fleet.allowances(session)
    headroom = meters.headroom(visit.services.rates, catalog, {name: row.rate for name, row in rows.items()})
    return [
        Seen(
            row=rows[each.name],
            standing=each,
            events=events.get(each.name, ()),
            outcomes=outcomes.get(each.name),
            latencies=latencies.get(each.name),
            headroom=headroom.get(each.name),
            allowance=allowances.get(each.name),
            catalog_rate=entry.rate if (entry := catalog.provider(each.name)) else None,
            fallbacks=_fallbacks(catalog, each.name),
        )
        for each in standing
    ]


def _fallbacks(catalog: Catalog, provider: str) -> dict[str, list[str]]:
    """The stand-ins of each of its models, in their order."""
    return {
        model.id: [f"{each.id} at {each.provider}" for each in catalog.fallbacks(model)]
        for model in catalog.models
        if model.provider == provider
    }


def _steer(visit: Visit, name: str, change_it: Change, *, action: str, said: str) -> ResponseReturnValue:
    with visit.services.database.transaction() as session:
        if not change_it(session, name):
            raise _missing(name)
        _record(visit, session, action, name)
    visit.services.intake.start_due(name)
    return visit.done(f"{name} {said}.", go_to="/ops/providers")


def _record(visit: Visit, session: Session, action: str, name: str, **detail: str) -> None:
    subject = f"provider {name}"
    audit.record(session, actor=visit.user.name, action=action, subject=subject, why=visit.why, detail=detail)


def _missing(name: str) -> NotFound:
    return NotFound(f"There is no provider {name}.")
