import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from core import job_ids, keys, ledger, money
from core.bootstrap import Services
from core.errors import CapReached, Failure, FailureKind, TooManyInFlight
from core.images import Picture
from core.keys import Caller
from core.ledger import Claim
from core.orm import ApiKey, Budget, Job, Posting
from core.states import SETTLED, Account, Entry
from tests import builders

NOTHING, PRICE = Decimal(0), Decimal("0.053")
FAILURE = Failure(FailureKind.UNAVAILABLE, "The provider is away.")


@pytest.fixture(autouse=True)
def _priced(services: Services) -> None:
    model = services.catalog.model("dall-e-2")
    assert model
    assert model.price(builders.SMALL, "standard") == PRICE


def submit(services: Services, caller: Caller, *, n: int = 1) -> UUID:
    submission = builders.make_submission(services, job_ids.new_job_id(), caller, n=n)
    return services.intake.submit(submission)


def budget_of(services: Services, caller: Caller) -> Budget:
    with services.database.transaction() as session:
        return session.get_one(Budget, caller.key_id)


def postings_of(services: Services, job_id: UUID) -> list[tuple[Entry, Account, Decimal]]:
    with services.database.transaction() as session:
        rows = session.scalars(select(Posting).where(Posting.job_id == job_id).order_by(Posting.id))
        return [(row.entry, row.account, row.amount) for row in rows]


def settle(services: Services, claim: Claim, *, pictures: int, failure: Failure | None = None) -> None:
    with services.database.transaction() as session:
        for position in range(pictures):
            picture = Picture(position=position, png=b"png", revised_prompt=None)
            builders.record(session, claim, picture, picture.object_key(claim))
        done = ledger.fail(session, claim, failure) if failure else builders.succeed(session, claim)
        assert done


def test_a_price_is_set_aside_with_the_job_and_spent_on_its_pictures(services: Services) -> None:
    builders.register(services)
    _, caller = builders.make_caller(services)

    job_id = submit(services, caller, n=2)
    before = budget_of(services, caller)
    settle(services, builders.claim(services, job_id), pictures=2)

    after = budget_of(services, caller)
    assert (before.reserved, before.spent, before.in_flight) == (2 * PRICE, NOTHING, 1)
    assert (after.reserved, after.spent, after.in_flight) == (NOTHING, 2 * PRICE, 0)
    assert builders.job_of(services, job_id).charged == 2 * PRICE
    assert postings_of(services, job_id) == [
        (Entry.RESERVED, Account.BUDGET, -2 * PRICE),
        (Entry.RESERVED, Account.RESERVED, 2 * PRICE),
        (Entry.SETTLED, Account.RESERVED, -2 * PRICE),
        (Entry.SETTLED, Account.SPENT, 2 * PRICE),
    ]


def test_a_job_that_fails_costs_no_more_than_the_pictures_it_lists(services: Services) -> None:
    builders.register(services)
    _, caller = builders.make_caller(services)

    job_id = submit(services, caller, n=3)
    settle(services, builders.claim(services, job_id), pictures=1, failure=FAILURE)

    budget = budget_of(services, caller)
    assert (budget.reserved, budget.spent, budget.used_today) == (NOTHING, PRICE, PRICE)
    assert postings_of(services, job_id)[2:] == [
        (Entry.SETTLED, Account.RESERVED, -PRICE),
        (Entry.SETTLED, Account.SPENT, PRICE),
        (Entry.RELEASED, Account.RESERVED, -2 * PRICE),
        (Entry.RELEASED, Account.BUDGET, 2 * PRICE),
    ]


def test_a_cancelled_job_gives_its_money_back(services: Services) -> None:
    _, caller = builders.make_caller(services)
    job_id = submit(services, caller)

    with services.database.transaction() as session:
        assert ledger.cancel(session, job_id)

    budget = budget_of(services, caller)
    assert (budget.reserved, budget.spent, budget.used_today, budget.used_this_month) == (NOTHING,) * 4
    assert builders.job_of(services, job_id).charged == 0


@pytest.mark.parametrize("cap", ["cap", "cap_a_day", "cap_a_month"])
def test_what_does_not_fit_a_cap_is_refused_and_leaves_nothing(services: Services, cap: str) -> None:
    _, caller = builders.make_caller(services, **{cap: 2 * PRICE})
    submit(services, caller)

    with pytest.raises(CapReached) as refused:
        submit(services, caller, n=2)

    assert refused.value.cap == cap
    assert budget_of(services, caller).reserved == PRICE
    submit(services, caller)  # what fits exactly fits
    with services.database.transaction() as session:
        assert session.scalar(select(func.count()).where(Job.key_id == caller.key_id)) == 2


def test_money_that_was_given_back_can_be_spent_again(services: Services) -> None:
    builders.register(services)
    _, caller = builders.make_caller(services, cap=PRICE, cap_a_day=PRICE, cap_a_month=PRICE)
    settle(services, builders.claim(services, submit(services, caller)), pictures=0, failure=FAILURE)

    submit(services, caller)


@pytest.mark.parametrize(("cap", "age"), [("cap_a_day", timedelta(days=1)), ("cap_a_month", timedelta(days=31))])
def test_a_new_day_and_a_new_month_begin_with_nothing_used(services: Services, cap: str, age: timedelta) -> None:
    _, caller = builders.make_caller(services, **{cap: PRICE})
    submit(services, caller)
    with services.database.transaction() as session:
        budget = session.get_one(Budget, caller.key_id)
        budget.day, budget.month = budget.day - age, (budget.month - age).replace(day=1)

    submit(services, caller)

    budget = budget_of(services, caller)
    today = datetime.now(UTC).date()
    assert (budget.day, budget.month) == (today, today.replace(day=1))
    assert (budget.used_today, budget.reserved) == (PRICE, 2 * PRICE)


def test_no_more_jobs_are_in_flight_than_the_key_may_have(services: Services) -> None:
    builders.register(services)
    _, caller = builders.make_caller(services, most_in_flight=1)
    job_id = submit(services, caller)

    with pytest.raises(TooManyInFlight):
        submit(services, caller)

    settle(services, builders.claim(services, job_id), pictures=1)
    submit(services, caller)


def test_postings_are_never_changed(services: Services) -> None:
    _, caller = builders.make_caller(services)
    submit(services, caller)

    for change in ("UPDATE postings SET amount = 0", "DELETE FROM postings", "TRUNCATE postings"):
        with pytest.raises(DBAPIError, match="never changed"), services.database.transaction() as session:
            session.execute(text(change))


def test_a_budget_that_has_room_refuses_nothing(services: Services) -> None:
    _, caller = builders.make_caller(services, cap=PRICE)

    with services.database.transaction() as session:
        assert money.refusal(session, caller.key_id, PRICE) is None


class Crash(Exception):
    """A process that ends in the middle of a transaction."""


def live_through(services: Services, caller: Caller, chance: random.Random) -> None:
    """Hand a job in and see it through, as far as chance lets it."""
    try:
        job_id = submit(services, caller, n=chance.randint(1, 4))
    except (CapReached, TooManyInFlight):
        return
    with services.database.transaction() as session:
        claim = builders.try_to_claim(session, job_id, f"worker-{chance.random()}")
    if claim is None or chance.random() < 0.1:  # its worker dies without a word
        return
    pictures = chance.randint(0, claim.request.n)
    ends: list[Callable[[Session], object]] = [
        lambda session: ledger.fail(session, claim, FAILURE),
        lambda session: ledger.cancel(session, job_id),
        lambda session: builders.succeed(session, claim),
    ]
    for crashes in (chance.random() < 0.3, False):
        with suppress(Crash), services.database.transaction() as session:
            for position in range(pictures):
                picture = Picture(position=position, png=b"png", revised_prompt=None)
                builders.record(session, claim, picture, picture.object_key(claim))
            chance.choice(ends)(session)
            if crashes:
                raise Crash


def sums(session: Session, caller: Caller) -> dict[Account, Decimal]:
    rows = session.execute(
        select(Posting.account, func.sum(Posting.amount).label("amount"))
        .where(Posting.key_id == caller.key_id)
        .group_by(Posting.account)
    )
    return dict.fromkeys(Account, NOTHING) | {row.account: row.amount for row in rows}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_spending_never_exceeds_a_cap_and_no_reservation_outlives_its_job(services: Services, seed: int) -> None:
    builders.register(services)
    cap = 100 * PRICE
    _, caller = builders.make_caller(services, cap=cap, most_in_flight=20)
    chances = [random.Random(seed * 1000 + number) for number in range(50)]

    with ThreadPoolExecutor(50) as threads:
        for _ in range(4):
            for done in [threads.submit(live_through, services, caller, chance) for chance in chances]:
                done.result()
            with services.database.transaction() as session:
                budget = session.get_one(Budget, caller.key_id)
                balance = sums(session, caller)
                live = select(func.coalesce(func.sum(Job.price), 0), func.count()).where(
                    Job.key_id == caller.key_id, Job.state.not_in(SETTLED)
                )
                assert budget.reserved + budget.spent <= cap
                assert sum(balance.values()) == 0
                assert balance[Account.RESERVED] == budget.reserved
                assert balance[Account.SPENT] == budget.spent
                assert session.execute(live).one() == (budget.reserved, budget.in_flight)

    with services.database.transaction() as session:
        left = session.scalars(select(Job.id).where(Job.key_id == caller.key_id, Job.state.not_in(SETTLED))).all()
        assert all(ledger.cancel(session, job_id) for job_id in left)
    budget = budget_of(services, caller)
    assert (budget.reserved, budget.in_flight) == (NOTHING, 0)
    assert 0 < budget.spent <= cap


def test_a_cap_that_is_lowered_lets_nothing_more_in(services: Services) -> None:
    _, caller = builders.make_caller(services)
    submit(services, caller, n=2)

    with services.database.transaction() as session:
        keys.change(session, caller.key_id, {"cap": PRICE})

    with pytest.raises(CapReached):
        submit(services, caller)


def test_a_job_and_a_key_of_the_release_before_do_no_harm(services: Services) -> None:
    """While its processes are replaced, the release before works on the newer schema, and knows of no budgets."""
    builders.register(services)
    with services.database.transaction() as session:
        key = ApiKey(name="tester", hash=b"hash", hint="hint")
        session.add(key)
        session.flush()
    caller = Caller(key.id, key.name)
    job_id = submit(services, caller)
    with services.database.transaction() as session:
        session.execute(update(Budget).where(Budget.key_id == caller.key_id).values(in_flight=0, reserved=0))
        session.execute(update(Job).where(Job.id == job_id).values(unit_price=0, price=0))

    settle(services, builders.claim(services, job_id), pictures=1)

    budget = budget_of(services, caller)
    assert (budget.in_flight, budget.reserved, budget.spent) == (0, NOTHING, NOTHING)
