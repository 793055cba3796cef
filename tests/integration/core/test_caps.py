"""Which keys will have used up a cap before its day or month is over."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from core import caps, keys
from core.bootstrap import Services
from core.orm import ApiKey, Budget
from tests import builders

CAP = Decimal(100)
PERIODS = ("day", "month")
Foretold = Callable[[], list[tuple[UUID, str]]]


def passed(now: datetime, period: str) -> float:
    """The share of the day, or of the month, that is over."""
    begun = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "day":
        return (now - begun) / timedelta(days=1)
    first = begun.replace(day=1)
    return (now - first) / ((first + timedelta(days=32)).replace(day=1) - first)


def use(services: Services, period: str, share: Callable[[float], float], **limits: Any) -> UUID:
    """A key that has used this share of its cap, given the share of the period that is over."""
    _, caller = builders.make_caller(services, **{f"cap_a_{period}": CAP})
    with services.database.transaction() as session:
        used = CAP * Decimal(share(passed(builders.now(session).astimezone(UTC), period)))
        used_by_period = {"day": {"used_today": used}, "month": {"used_this_month": used}}[period]
        for name, value in used_by_period.items():
            setattr(session.get_one(Budget, caller.key_id), name, value)
        for name, value in limits.items():
            setattr(session.get_one(ApiKey, caller.key_id), name, value)
    return caller.key_id


@pytest.fixture
def foretold(services: Services) -> Foretold:
    def foretold() -> list[tuple[UUID, str]]:
        with services.database.transaction() as session:
            return [(course.key_id, course.period) for course in caps.running_out(session)]

    return foretold


@pytest.mark.parametrize("period", PERIODS)
def test_who_spends_faster_than_time_passes_is_foretold_the_end(
    services: Services, foretold: Foretold, period: str
) -> None:
    fast = use(services, period, lambda passed: (1 + passed) / 2)

    assert foretold() == [(fast, period)]


@pytest.mark.parametrize("period", PERIODS)
def test_who_keeps_pace_or_has_more_than_half_left_or_nothing_is_not(
    services: Services, foretold: Foretold, period: str
) -> None:
    use(services, period, lambda passed: passed * 0.99)
    use(services, period, lambda _: 0.49)
    use(services, period, lambda _: 1.0)
    builders.make_caller(services)

    assert foretold() == []


def test_keys_that_cannot_spend_any_more_are_left_out(services: Services, foretold: Foretold) -> None:
    revoked = use(services, "day", lambda passed: (1 + passed) / 2)
    use(services, "day", lambda passed: (1 + passed) / 2, expires_at=datetime(2000, 1, 1, tzinfo=UTC))
    with services.database.transaction() as session:
        assert keys.revoke(session, revoked)

    assert foretold() == []


def test_those_that_are_nearest_to_their_end_are_told_first_and_not_all_of_many(
    services: Services, foretold: Foretold
) -> None:
    def nearer(times: int) -> UUID:
        return use(services, "day", lambda passed: 1 - (1 - passed) / times)

    made = [nearer(times) for times in range(2, 4 + caps.MOST)]

    assert [key_id for key_id, _ in foretold()] == made[: -caps.MOST - 1 : -1]
