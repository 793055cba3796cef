"""A provider's standing, the same for all workers: asked to wait, in trouble, taken out, tried again."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import (
    CTE,
    Boolean,
    ColumnElement,
    Double,
    Insert,
    Interval,
    Label,
    Text,
    bindparam,
    case,
    func,
    insert,
    literal,
    literal_column,
    null,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Session, aliased

from core.errors import FailureKind
from core.orm import Closed, Provider, ProviderEvent, table_of
from core.states import ProviderEventKind

# So many calls that fail in a row take a provider out, for FIRST_REST; each that fails then doubles it.
MOST_FAILURES = 3
FIRST_REST = timedelta(seconds=15)
LONGEST_REST = timedelta(minutes=5)

_PROVIDERS = table_of(Provider)
_NAMED = _PROVIDERS.c.name == bindparam("provider_name")
_NOW = func.clock_timestamp()


def _before(column: str) -> Label[datetime]:
    """What a column of a provider held before the UPDATE."""
    return literal_column(f"old.{column}", TIMESTAMP(timezone=True)).label("before")


def _telling(changed: CTE, event: ProviderEventKind, *where: ColumnElement[bool], **detail: Any) -> Insert:
    """The row of its history, where a provider's standing has changed."""
    facts = func.jsonb_build_object(*(part for fact in detail.items() for part in fact)) if detail else null()
    row = select(changed.c.name, literal(event, Closed(ProviderEventKind)), facts).where(*where)
    return insert(table_of(ProviderEvent)).from_select(["provider", "event", "detail"], row)


_PAUSED = (
    update(_PROVIDERS)
    .where(_NAMED)
    .values(paused_until=func.greatest(_PROVIDERS.c.paused_until, _NOW + bindparam("pause", type_=Interval)))
    .returning(_PROVIDERS.c.name, _PROVIDERS.c.paused_until.label("until"), _before("paused_until"))
    .cte("paused")
)
# What was under way when it first asked is told the same, by the hundred.
_LONGER = or_(_PAUSED.c.before.is_(None), _PAUSED.c.until > _PAUSED.c.before + timedelta(seconds=1))
_SECONDS = func.extract("epoch", bindparam("pause", type_=Interval))
_ASKED = bindparam("asked", type_=Boolean)
_PAUSE = _telling(_PAUSED, ProviderEventKind.THROTTLED, _ASKED, _LONGER, seconds=_SECONDS)


def pause(session: Session, provider: str, duration: timedelta, *, asked: bool = True) -> None:
    """Start none of a provider's jobs for so long: it said that it has had enough, to whichever worker.

    Where it was not `asked` for, our own rate was reached, which is no event.
    """
    session.execute(_PAUSE, {"provider_name": provider, "pause": duration, "asked": asked})


# What was under way when it was taken out fails as well, and tells nothing new.
_RESTS = func.coalesce(_PROVIDERS.c.open_until > _NOW, False)
_FAILED = _PROVIDERS.c.failures + case((_RESTS, 0), else_=1)
_REST_SECONDS = func.least(
    FIRST_REST.total_seconds() * func.power(2, func.least(_FAILED - MOST_FAILURES, 10)),
    LONGEST_REST.total_seconds(),
    type_=Double,
)
_REST = func.make_interval(0, 0, 0, 0, 0, 0, _REST_SECONDS, type_=Interval)
_COUNTED = (
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
    .returning(_PROVIDERS.c.name, _PROVIDERS.c.failures, _PROVIDERS.c.open_until, _before("open_until"))
    .cte("counted")
)
_TAKEN_OUT = _telling(
    _COUNTED,
    ProviderEventKind.TAKEN_OUT,
    _COUNTED.c.open_until.is_distinct_from(_COUNTED.c.before),
    failures=_COUNTED.c.failures,
    seconds=func.round(func.extract("epoch", _COUNTED.c.open_until - _NOW)),
    kind=bindparam("kind", type_=Text),
)
_REPORT_FAILURE = select(_COUNTED.c.open_until).add_cte(_TAKEN_OUT.cte("told"))


def report_failure(session: Session, provider: str, kind: FailureKind) -> datetime | None:
    """Count one more call that the provider failed; returns until when it is taken out, if it is."""
    given = {"provider_name": provider, "kind": kind.value}
    until: datetime | None = session.execute(_REPORT_FAILURE, given).scalar()
    return until


_RECOVERED = (
    update(_PROVIDERS)
    .where(_NAMED, _PROVIDERS.c.failures > 0)
    .values(failures=0, open_until=None)
    .returning(_PROVIDERS.c.name, _before("open_until"))
    .cte("recovered")
)
_BACK = _telling(_RECOVERED, ProviderEventKind.BACK, _RECOVERED.c.before.is_not(None))
_REPORT_SUCCESS = select(_RECOVERED.c.name).add_cte(_BACK.cte("told"))


def report_success(session: Session, provider: str) -> bool:
    """Forget earlier failures; True where there were any."""
    return session.execute(_REPORT_SUCCESS, {"provider_name": provider}).one_or_none() is not None


def history(session: Session, most: int = 50) -> Mapping[str, Sequence[ProviderEvent]]:
    """What befell each provider, the last first, at most so much of each; nothing of those that were well."""
    own = select(ProviderEvent).where(ProviderEvent.provider == Provider.name)
    latest = aliased(ProviderEvent, own.order_by(ProviderEvent.id.desc()).limit(most).lateral("latest"))
    told = select(latest).join_from(Provider, latest, true()).order_by(latest.provider, latest.id.desc())
    return {name: list(events) for name, events in groupby(session.scalars(told), attrgetter("provider"))}
