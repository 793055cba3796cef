"""What a key has used, read from its jobs and its budget."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from core import job_ids, ledger, usage
from core.bootstrap import Services
from core.errors import Failure, FailureKind
from core.images import Picture
from core.keys import Caller
from core.orm import Budget
from core.usage import Balance, Use
from tests import builders

NOTHING, PRICE = Decimal(0), Decimal("0.053")
FAILURE = Failure(FailureKind.UNAVAILABLE, "The provider is away.")
MAY, JUNE = date(2026, 5, 31), date(2026, 6, 1)


@pytest.fixture
def caller(services: Services) -> Caller:
    builders.register(services)
    return builders.make_caller(services)[1]


def submit(services: Services, caller: Caller, moment: datetime, *, n: int = 1) -> UUID:
    """A job of so many pictures that came in at a moment."""
    noise = job_ids.new_job_id().int % (1 << 80)
    job_id = UUID(int=int(moment.timestamp() * 1000) << 80 | noise)
    return services.intake.submit(builders.make_submission(services, job_id, caller, n=n))


def settle(services: Services, job_id: UUID, *, pictures: int, failure: Failure | None = None) -> None:
    claim = builders.claim(services, job_id)
    with services.database.transaction() as session:
        for position in range(pictures):
            picture = Picture(position=position, png=b"png", revised_prompt=None)
            builders.record(session, claim, picture, picture.object_key(claim))
        assert ledger.fail(session, claim, failure) if failure else builders.succeed(session, claim)


def used(services: Services, caller: Caller, first: date, last: date, *, model: str | None = None) -> list[Use]:
    with services.database.transaction() as session:
        return usage.by_day(session, caller.key_id, first, last, model=model)


def balance_of(services: Services, caller: Caller) -> Balance:
    with services.database.transaction() as session:
        return usage.balance(session, caller.key_id)


def noon(day: date) -> datetime:
    return datetime.combine(day, time(12), UTC)


def test_use_is_told_by_day_as_it_was_paid_for_or_set_aside(services: Services, caller: Caller) -> None:
    settle(services, submit(services, caller, noon(MAY), n=2), pictures=2)
    settle(services, submit(services, caller, noon(MAY), n=4), pictures=1, failure=FAILURE)
    submit(services, caller, noon(MAY), n=3)
    submit(services, caller, noon(JUNE))

    assert used(services, caller, MAY, JUNE) == [
        Use(day=MAY, model="dall-e-2", jobs=3, pictures=3, cost=PRICE * 3, reserved=PRICE * 3),
        Use(day=JUNE, model="dall-e-2", jobs=1, pictures=0, cost=NOTHING, reserved=PRICE),
    ]


def test_a_day_is_from_midnight_to_midnight_utc(services: Services, caller: Caller) -> None:
    midnight = datetime.combine(JUNE, time.min, UTC)
    submit(services, caller, midnight - timedelta(milliseconds=1))
    submit(services, caller, midnight)

    assert [use.day for use in used(services, caller, MAY, MAY)] == [MAY]
    assert [use.day for use in used(services, caller, JUNE, JUNE)] == [JUNE]
    assert used(services, caller, JUNE + timedelta(days=1), date.max) == []


def test_use_is_the_keys_own_and_can_be_of_one_model(services: Services, caller: Caller) -> None:
    _, other = builders.make_caller(services)
    submit(services, caller, noon(MAY))

    assert used(services, other, MAY, MAY) == []
    assert used(services, caller, MAY, MAY, model="dall-e-3") == []
    assert len(used(services, caller, MAY, MAY, model="dall-e-2")) == 1


def test_a_balance_tells_what_is_set_aside_and_spent(services: Services) -> None:
    builders.register(services)
    _, caller = builders.make_caller(services, cap=Decimal(1), cap_a_month=Decimal("0.2"), most_in_flight=9)
    settle(services, submit(services, caller, datetime.now(UTC)), pictures=1)
    submit(services, caller, datetime.now(UTC), n=2)

    assert balance_of(services, caller) == Balance(
        cap=Decimal(1),
        cap_a_day=None,
        cap_a_month=Decimal("0.2"),
        most_in_flight=9,
        reserved=PRICE * 2,
        spent=PRICE,
        used_today=PRICE * 3,
        used_this_month=PRICE * 3,
        in_flight=1,
    )


def test_a_new_day_and_a_new_month_begin_with_nothing_used(services: Services, caller: Caller) -> None:
    submit(services, caller, datetime.now(UTC))
    with services.database.transaction() as session:
        budget = session.get_one(Budget, caller.key_id)
        budget.day -= timedelta(days=1)
        budget.month = budget.month.replace(day=1) - timedelta(days=1)

    balance = balance_of(services, caller)

    assert (balance.used_today, balance.used_this_month, balance.reserved) == (NOTHING, NOTHING, PRICE)


@pytest.mark.parametrize(
    ("caps", "left"),
    [
        ((None, None, None), None),
        (("1", None, None), "0.947"),
        (("1", "0.5", "0.7"), "0.447"),
        (("0.06", "0.06", "1"), "0.007"),
        (("0.01", "1", "1"), "0"),  # lowered beneath what was used
    ],
)
def test_what_is_left_fits_under_every_cap(
    services: Services, caps: tuple[str | None, ...], left: str | None
) -> None:
    builders.register(services)
    _, caller = builders.make_caller(services)
    submit(services, caller, datetime.now(UTC))
    with services.database.transaction() as session:
        budget = session.get_one(Budget, caller.key_id)
        budget.cap, budget.cap_a_day, budget.cap_a_month = (Decimal(cap) if cap else None for cap in caps)

    assert balance_of(services, caller).left == (left and Decimal(left))
