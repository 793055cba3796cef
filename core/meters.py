"""Everything that machines read of the house as it is now, in one look."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core import admission, fleet, history, listeners, standings, vitals
from core.catalog import Catalog
from core.fleet import Allowance, Member
from core.listeners import Debt
from core.orm import Batch
from core.rates import Rates, Standing
from core.standings import ProviderStanding
from core.states import BatchStatus
from core.vitals import Money, Tellings

LATELY = timedelta(hours=1)
# Nothing here takes that long, unless something is wrong: whoever looks comes again.
LONGEST_STATEMENT = "3s"


class WorkerState(StrEnum):
    """What a worker process is up to: `quiet` takes no new jobs, `lost` has fallen silent without a word."""

    HEALTHY = "healthy"
    QUIET = "quiet"
    STOPPING = "stopping"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Meters:
    """`rates` are those that operators gave providers in place of the catalog's; `batches` are those under way.

    `allowances` are what providers say of their own limits. Of the workers, those that ended when told to are left
    out. `tellings` are of the last hour, lags in seconds.
    """

    providers: Sequence[ProviderStanding]
    rates: Mapping[str, str | None]
    allowances: Mapping[str, Allowance]
    workers: Sequence[Member]
    batches: Mapping[BatchStatus, int]
    money: Money
    debt: Debt
    tellings: Tellings
    history_lag: float
    sweep_lag: float


def read(session: Session) -> Meters:
    """In a transaction, the statements of which it limits in time."""
    session.execute(select(func.set_config("statement_timeout", LONGEST_STATEMENT, True)))
    return Meters(
        providers=standings.providers(session),
        rates={provider.name: provider.rate for provider in admission.providers(session)},
        allowances=fleet.allowances(session),
        workers=[member for member in fleet.every(session) if not member.ended],
        batches=_batches(session),
        money=vitals.money(session),
        debt=listeners.debt(session),
        tellings=vitals.tellings(session, LATELY),
        history_lag=history.lag(session).total_seconds(),
        sweep_lag=vitals.sweep_lag(session),
    )


def _batches(session: Session) -> dict[BatchStatus, int]:
    at_work = select(Batch.status, func.count()).where(Batch.ended_at.is_(None)).group_by(Batch.status)
    return {row[0]: row[1] for row in session.execute(at_work)}


def state_of(member: Member) -> WorkerState:
    if member.lost:
        return WorkerState.LOST
    if member.worker.stopping:
        return WorkerState.STOPPING
    return WorkerState.QUIET if member.worker.quiet else WorkerState.HEALTHY


def rates_in_force(catalog: Catalog, chosen: Mapping[str, str | None]) -> dict[str, str]:
    """The rate of each provider that has one: that which operators chose, or the catalog's."""
    found = {}
    for provider, own in chosen.items():
        entry = catalog.provider(provider)
        if rate := own or (entry.rate if entry else None):
            found[provider] = rate
    return found


def headroom(counted: Rates, catalog: Catalog, chosen: Mapping[str, str | None]) -> dict[str, Standing]:
    """What is left of the rate of each provider that has one; of none while Redis is away."""
    rates = rates_in_force(catalog, chosen)
    left = {provider: counted.headroom(provider, rate) for provider, rate in rates.items()}
    return {provider: standing for provider, standing in left.items() if standing}
