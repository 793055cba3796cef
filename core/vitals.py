"""The figures that the house is judged by, in one look: what waits, fails, is late, and what money is at stake."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from core import caps, fleet, history, standings
from core.caps import Course
from core.history import Dimension, Outcomes
from core.job_ids import first_id
from core.orm import ApiKey, Batch, Budget
from core.standings import MOST, ProviderStanding
from core.states import Part

# Success is that of the last minutes, what keys are refused that of the last hour, what is usual that of a week.
LATELY = timedelta(minutes=5)
HOUR = timedelta(hours=1)
WEEK_DAYS = 7
# Calls of jobs that came in longer ago are no longer held to be in doubt.
RECENT = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Money:
    """In dollars: `reserved` for jobs under way; `in_doubt` by provider, for what it may have charged.

    `doubt_ages` are for how many seconds the first of these has been in doubt, by provider.
    """

    reserved: Decimal
    in_doubt: Mapping[str, Decimal]
    doubt_ages: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Tellings:
    """What became of the latest events that were to be told to webhooks."""

    delivered: int
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """`workers` is how many processes take jobs of each provider, `parts` how many there are of each part at all.

    `outcomes` are of the last five minutes by provider, `of_hour` and `of_week` of longer; `of_keys` of the last
    hour by the id of a key, `key_names` what these are called. `batches` have not ended. Lags are in seconds.
    """

    providers: Sequence[ProviderStanding]
    workers: Mapping[str, int]
    parts: Mapping[Part, int]
    batches: int
    outcomes: Mapping[str, Outcomes]
    of_hour: Mapping[str, Outcomes]
    of_week: Mapping[str, Outcomes]
    of_keys: Mapping[str, Outcomes]
    key_names: Mapping[str, str]
    running_out: Sequence[Course]
    money: Money
    tellings: Tellings
    history_lag: float
    sweep_lag: float


def look(session: Session) -> Vitals:
    of_keys = history.outcomes(session, history.lately(session, HOUR), Dimension.KEY)
    at_work = fleet.at_work(session)
    return Vitals(
        providers=standings.providers(session),
        workers={provider: number for (_, provider), number in at_work.items() if provider},
        parts={part: sum(number for (each, _), number in at_work.items() if each is part) for part in Part},
        batches=session.scalars(select(func.count()).where(Batch.ended_at.is_(None))).one(),
        **_outcomes(session),
        of_keys=of_keys,
        key_names=_names(session, of_keys),
        running_out=caps.running_out(session),
        money=money(session),
        tellings=tellings(session, HOUR),
        history_lag=history.lag(session).total_seconds(),
        sweep_lag=sweep_lag(session),
    )


def _outcomes(session: Session) -> dict[str, Mapping[str, Outcomes]]:
    """Of providers. The week is counted by days, of which there are few."""
    stretches = {
        "outcomes": history.lately(session, LATELY),
        "of_hour": history.lately(session, HOUR),
        "of_week": history.days(session, WEEK_DAYS),
    }
    return {name: history.outcomes(session, bins, Dimension.PROVIDER) for name, bins in stretches.items()}


def _names(session: Session, of_keys: Mapping[str, Outcomes]) -> dict[str, str]:
    named = select(ApiKey.id, ApiKey.name).where(ApiKey.id.in_([UUID(key_id) for key_id in of_keys]))
    return {str(key_id): name for key_id, name in session.execute(named)}


def money(session: Session) -> Money:
    """Doubt is told of the jobs of the last two days."""
    reserved = session.scalars(select(func.coalesce(func.sum(Budget.reserved), 0))).one()
    doubts = session.execute(_IN_DOUBT, {"first": first_id(datetime.now(UTC), after=-RECENT)}).all()
    return Money(
        reserved,
        in_doubt={row.provider: row.in_doubt for row in doubts},
        doubt_ages={row.provider: row.age for row in doubts},
    )


# Ids begin with their time: a value, or the plan would not take the index of what is in doubt. The limit is for a
# house in which everything has gone wrong.
_IN_DOUBT = text("""
SELECT provider, sum(unit_price * pictures) AS in_doubt,
    extract(epoch FROM clock_timestamp() - min(ended_at))::float AS age
FROM (
    SELECT call.provider, call.ended_at, jobs.unit_price, cardinality(call.positions) AS pictures
    FROM provider_calls AS call JOIN jobs ON jobs.id = call.job_id
    WHERE call.outcome = 'unknown' AND call.job_id >= :first
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
