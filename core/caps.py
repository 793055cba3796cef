"""Which keys will have used up what they may spend in a day or a month before it is over."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, and_, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from core.money import USED_THIS_MONTH, USED_TODAY
from core.orm import ApiKey, Budget

# Early in a day a single batch would foretell its end: nobody is looked at who has more than half of a cap left.
HALF = 2
# So many keys are looked at, and those that are nearest to their caps are told of.
MOST_LOOKED_AT = 500
MOST = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """A key has `used` so much of its `cap` for the `period`; at the pace so far the rest lasts for `lasts`."""

    key_id: UUID
    name: str
    period: str
    cap: Decimal
    used: Decimal
    lasts: timedelta


def running_out(session: Session) -> Sequence[Course]:
    """The soonest first; those whose cap is used up already are told so with each of their calls."""
    found = select(
        ApiKey.id,
        ApiKey.name,
        Budget.cap_a_day,
        Budget.cap_a_month,
        USED_TODAY.label("used_today"),
        USED_THIS_MONTH.label("used_this_month"),
        func.timezone("UTC", func.statement_timestamp()).label("now"),
    ).join(Budget, Budget.key_id == ApiKey.id)
    in_force = (ApiKey.revoked_at.is_(None), func.coalesce(ApiKey.expires_at > func.now(), True))
    near = or_(_is_near(Budget.cap_a_day, USED_TODAY), _is_near(Budget.cap_a_month, USED_THIS_MONTH))
    rows = session.execute(found.where(*in_force, near).limit(MOST_LOOKED_AT))
    return sorted((course for row in rows for course in _courses(row)), key=lambda course: course.lasts)[:MOST]


def _is_near(cap: InstrumentedAttribute[Decimal | None], used: ColumnElement[Any]) -> ColumnElement[bool]:
    return and_(used * HALF >= cap, used < cap)


def _courses(row: Row[Any]) -> Iterator[Course]:
    today = row.now.replace(hour=0, minute=0, second=0, microsecond=0)
    first = today.replace(day=1)
    next_month = (first + timedelta(days=32)).replace(day=1)
    for period, cap, used, begun, ends in (
        ("day", row.cap_a_day, row.used_today, today, today + timedelta(days=1)),
        ("month", row.cap_a_month, row.used_this_month, first, next_month),
    ):
        if cap is not None and cap <= used * HALF and used < cap:
            lasts = _lasts(cap - used, used, row.now - begun)
            if row.now + lasts < ends:
                yield Course(key_id=row.id, name=row.name, period=period, cap=cap, used=used, lasts=lasts)


def _lasts(left: Decimal, used: Decimal, within: timedelta) -> timedelta:
    """How long the rest lasts, if it goes as fast as what was `used` within that time."""
    return within * float(left / used)
