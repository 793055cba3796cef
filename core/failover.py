"""Hands waiting jobs of a provider that is out, or drained, over to the stand-ins that the catalog names."""

from sqlalchemy import Integer, Numeric, bindparam, cast, func, or_, select
from sqlalchemy.orm import Session

from core.catalog import Catalog, Model
from core.ledger import move
from core.logs import Named
from core.orm import Job, Provider, ProviderCall
from core.states import CallOutcome, Event

_PICTURES = cast(Job.request["n"].astext, Numeric)
# What its provider is at work on is paid for, or will be: such a job waits.
_IN_THE_WORKS = (
    select(ProviderCall.id)
    .where(ProviderCall.job_id == Job.id, ProviderCall.outcome == CallOutcome.ACCEPTED)
    .exists()
)
_REROUTE = move(
    Event.REROUTED,
    Job.provider == bindparam("from_provider"),
    Job.model == bindparam("of_model"),
    ~_IN_THE_WORKS,
    yields=Named._fields,
    provider=bindparam("to_provider"),
    upstream_model=bindparam("to_upstream_model"),
    slots=cast(func.ceil(_PICTURES / bindparam("pictures_a_call", type_=Integer)), Integer),
    run_after=func.clock_timestamp(),
)


# Whether or not somebody may try one again.
_OUT = select(Provider.name).where(or_(Provider.draining, Provider.open_until.is_not(None)))


def reroute(session: Session, catalog: Catalog) -> dict[str, list[Named]]:
    """The jobs that were handed over, by the provider that has them now.

    Only jobs that wait are: one that was refused for its content has failed, and waits no more.
    """
    out = frozenset(session.scalars(_OUT))
    moved: dict[str, list[Named]] = {}
    for model in catalog.models:
        stand_in = _stand_in(catalog, model, out)
        for provider in out:
            if stand_in and stand_in.provider != provider:
                found = _hand_over(session, model, provider, stand_in=stand_in, catalog=catalog)
                moved.setdefault(stand_in.provider, []).extend(found)
    return {provider: jobs for provider, jobs in moved.items() if jobs}


def _stand_in(catalog: Catalog, model: Model, out: frozenset[str]) -> Model | None:
    return next((each for each in catalog.fallbacks(model) if each.provider not in out), None)


def _hand_over(session: Session, model: Model, provider: str, *, stand_in: Model, catalog: Catalog) -> list[Named]:
    entry = catalog.provider(stand_in.provider)
    assert entry  # it makes one of the catalog's models
    given = {
        "from_provider": provider,
        "of_model": model.id,
        "to_provider": stand_in.provider,
        "to_upstream_model": stand_in.upstream_model,
        "pictures_a_call": entry.pictures_per_call,
    }
    return [Named(*row) for row in session.execute(_REROUTE, given)]
