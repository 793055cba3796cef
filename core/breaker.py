"""A provider's standing, the same for all workers: asked to wait, in trouble, taken out, tried again."""

from datetime import datetime, timedelta

from sqlalchemy import Double, Interval, bindparam, case, func, select, update
from sqlalchemy.orm import Session

from core.orm import Provider, table_of

# So many calls that fail in a row take a provider out, for FIRST_REST; each that fails then doubles it.
MOST_FAILURES = 3
FIRST_REST = timedelta(seconds=15)
LONGEST_REST = timedelta(minutes=5)

_PROVIDERS = table_of(Provider)
_NAMED = _PROVIDERS.c.name == bindparam("provider_name")
_NOW = func.clock_timestamp()

_PAUSE = (
    update(_PROVIDERS)
    .where(_NAMED)
    .values(paused_until=func.greatest(_PROVIDERS.c.paused_until, _NOW + bindparam("pause", type_=Interval)))
)


def pause(session: Session, provider: str, duration: timedelta) -> None:
    """Start none of a provider's jobs for so long: it said that it has had enough, to whichever worker."""
    session.execute(_PAUSE, {"provider_name": provider, "pause": duration})


# What was under way when it was taken out fails as well, and tells nothing new.
_RESTS = func.coalesce(_PROVIDERS.c.open_until > _NOW, False)
_FAILED = _PROVIDERS.c.failures + case((_RESTS, 0), else_=1)
_REST_SECONDS = func.least(
    FIRST_REST.total_seconds() * func.power(2, func.least(_FAILED - MOST_FAILURES, 10)),
    LONGEST_REST.total_seconds(),
    type_=Double,
)
_REST = func.make_interval(0, 0, 0, 0, 0, 0, _REST_SECONDS, type_=Interval)
_REPORT_FAILURE = (
    update(_PROVIDERS)
    .where(_NAMED)
    .values(
        failures=_FAILED,
        open_until=case(
            (_RESTS, _PROVIDERS.c.open_until),
            (_FAILED >= MOST_FAILURES, _NOW + _REST),
            else_=_PROVIDERS.c.open_until,
        ),
    )
    .returning(_PROVIDERS.c.open_until)
)


def report_failure(session: Session, provider: str) -> datetime | None:
    """Count one more call that the provider failed; returns until when it is taken out, if it is."""
    until: datetime | None = session.execute(_REPORT_FAILURE, {"provider_name": provider}).scalar()
    return until


_REPORT_SUCCESS = (
    update(_PROVIDERS)
    .where(_NAMED, _PROVIDERS.c.failures > 0)
    .values(failures=0, open_until=None)
    .returning(_PROVIDERS.c.name)
)


def report_success(session: Session, provider: str) -> bool:
    """Forget earlier failures; True where there were any."""
    return session.execute(_REPORT_SUCCESS, {"provider_name": provider}).one_or_none() is not None


def taken_out(session: Session) -> frozenset[str]:
    """The providers that are out, whether or not somebody may try them again."""
    return frozenset(session.scalars(select(_PROVIDERS.c.name).where(_PROVIDERS.c.open_until.is_not(None))))
