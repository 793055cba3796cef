"""The figures that the house is judged by, in one look: what waits, fails, is late, and what money is at stake."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from core import fleet, history, standings
from core.history import Dimension, Outcomes
from core.orm import ApiKey, Budget, Worker
from core.standings import MOST, ProviderStanding

# Success is that of the last minutes, what keys are refused that of the last hour.
LATELY = timedelta(minutes=5)
HOUR = timedelta(hours=1)
# Calls of jobs that came in longer ago are no longer held to be in doubt.
RECENT = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Money:
    """In dollars: `reserved` for jobs under way; `in_doubt` by provider, for what it may have charged."""

    reserved: Decimal
    in_doubt: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class Tellings:
    """What became of the latest events that were to be told to webhooks."""

    delivered: int
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """`workers` is how many processes take jobs of each provider; those it does not name have none.

    `outcomes` are of the last five minutes by provider, `of_keys` of the last hour by the id of a key, `key_names`
    what these are called. Lags are in seconds.
    """

    providers: Sequence[ProviderStanding]
    workers: Mapping[str, int]
    outcomes: Mapping[str, Outcomes]
    of_keys: Mapping[str, Outcomes]
    key_names: Mapping[str, str]
    money: Money
    tellings: Tellings
    history_lag: float
    sweep_lag: float


def look(session: Session) -> Vitals:
    of_keys = history.outcomes(session, history.lately(session, HOUR), Dimension.KEY)
    return Vitals(
        providers=standings.providers(session),
        workers=_workers(session),
        outcomes=history.outcomes(session, history.lately(session, LATELY), Dimension.PROVIDER),
        of_keys=of_keys,
        key_names=_names(session, of_keys),
        money=money(session),
        tellings=tellings(session, HOUR),
        history_lag=history.lag(session).total_seconds(),
        sweep_lag=sweep_lag(session),
    )


def _workers(session: Session) -> dict[str, int]:
    at_work = (Worker.seen_at > func.clock_timestamp() - fleet.LOST, ~Worker.quiet, ~Worker.stopping)
    found = select(Worker.provider, func.count().label("processes")).where(*at_work).group_by(Worker.provider)
    return {row.provider: row.processes for row in session.execute(found)}


def _names(session: Session, of_keys: Mapping[str, Outcomes]) -> dict[str, str]:
    named = select(ApiKey.id, ApiKey.name).where(ApiKey.id.in_([UUID(key_id) for key_id in of_keys]))
    return {str(key_id): name for key_id, name in session.execute(named)}


def money(session: Session) -> Money:
    """Doubt is told of the jobs of the last two days."""
    reserved = session.scalars(select(func.coalesce(func.sum(Budget.reserved), 0))).one()
    doubts = session.execute(_IN_DOUBT, {"recent": -RECENT})
    return Money(reserved, {row.provider: row.in_doubt for row in doubts})


# Ids begin with their time. The limit is for a house in which everything has gone wrong.
_IN_DOUBT = text("""
SELECT provider, sum(unit_price * pictures) AS in_doubt FROM (
    SELECT call.provider, jobs.unit_price, cardinality(call.positions) AS pictures
    FROM provider_calls AS call JOIN jobs ON jobs.id = call.job_id
    WHERE call.outcome = 'unknown' AND call.job_id >= (SELECT uuidv7(CAST(:recent AS interval)))
    LIMIT 10000
) AS doubtful
GROUP BY provider ORDER BY provider
""")


def sweep_lag(session: Session) -> float:
    """For how many seconds the picture that should have gone first has been in the store too long."""
    seconds: float = session.execute(_SWEEP_LAG).scalar_one()
    return seconds


_SWEEP_LAG = text("""
SELECT greatest(extract(epoch FROM clock_timestamp() - min(coalesce(kept_until, expires_at))), 0)::float
FROM images WHERE swept_at IS NULL
""")


def tellings(session: Session, window: timedelta) -> Tellings:
    """Of those made within the window, of the latest MOST at most."""
    given = {"window": -window, "most": MOST}
    return Tellings(*session.execute(_TELLINGS, given).one())


_TELLINGS = text("""
SELECT count(*) FILTER (WHERE state = 'delivered'), count(*) FILTER (WHERE state = 'failed') FROM (
    SELECT state FROM deliveries WHERE id >= (SELECT uuidv7(CAST(:window AS interval)))
    ORDER BY id DESC LIMIT :most
) AS latest
""")
