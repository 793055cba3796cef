"""A key's money: set aside when a job comes in, spent on the pictures it got, given back for the rest.

Pieces of the statements by which the ledger records and settles jobs: money moves where its job does, or not.
Dollars, exact; days and months are those of UTC.
"""

from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CTE,
    ColumnElement,
    Date,
    Insert,
    Numeric,
    Select,
    Subquery,
    Update,
    Uuid,
    case,
    cast,
    func,
    insert,
    literal,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy.orm import InstrumentedAttribute, Session

from core.errors import CapReached, DarkroomError, TooManyInFlight
from core.orm import Budget, Closed, Image, Job, Posting
from core.statements import Given
from core.states import Account, Entry

PRICE = Given("price", Numeric())
TODAY = cast(func.timezone("UTC", func.statement_timestamp()), Date)
THIS_MONTH = cast(func.date_trunc("month", func.timezone("UTC", func.statement_timestamp())), Date)
# A budget counts for the day and the month of its last job: once they are over, nothing is used yet.
USED_TODAY = case((Budget.day >= TODAY, Budget.used_today), else_=0)
USED_THIS_MONTH = case((Budget.month >= THIS_MONTH, Budget.used_this_month), else_=0)


def _fits(cap: InstrumentedAttribute[Decimal | None], used: ColumnElement[Any]) -> ColumnElement[bool]:
    return or_(cap.is_(None), used + PRICE <= cap)


def reserving() -> Update:
    """Sets a new job's price aside; yields nothing where a cap or the most jobs in flight stand against it."""
    has_room = or_(Budget.most_in_flight.is_(None), Budget.in_flight < Budget.most_in_flight)
    return _setting_aside().where(has_room).values(in_flight=Budget.in_flight + 1)


def reserving_batch() -> Update:
    """Sets the price of a whole batch aside; yields nothing where a cap stands against it."""
    return _setting_aside()


def _setting_aside() -> Update:
    return (
        update(Budget)
        .where(
            Budget.key_id == Given("key_id", Uuid()),
            _fits(Budget.cap, Budget.reserved + Budget.spent),
            _fits(Budget.cap_a_day, USED_TODAY),
            _fits(Budget.cap_a_month, USED_THIS_MONTH),
        )
        .values(
            reserved=Budget.reserved + PRICE,
            used_today=USED_TODAY + PRICE,
            day=func.greatest(Budget.day, TODAY),
            used_this_month=USED_THIS_MONTH + PRICE,
            month=func.greatest(Budget.month, THIS_MONTH),
        )
        .returning(Budget.key_id)
    )


def reservation(recorded: CTE) -> Insert:
    """The postings of what was just recorded: jobs, or a batch."""
    return _postings(*_moved(recorded, Entry.RESERVED, recorded.c.price, (Account.BUDGET, Account.RESERVED)))


def charge() -> ColumnElement[Decimal]:
    """What a job comes to: its pictures on the ledger, however it ends."""
    return Job.unit_price * select(func.count()).where(Image.job_id == Job.id).scalar_subquery()


def settlement(settled: CTE) -> tuple[Update, Insert]:
    """The budgets and the postings of jobs that were just settled."""
    postings = _postings(
        *_moved(settled, Entry.SETTLED, settled.c.charged, (Account.RESERVED, Account.SPENT)),
        *_moved(settled, Entry.RELEASED, _rest(settled), (Account.RESERVED, Account.BUDGET)),
    )
    return _clearing(_sums(settled)), postings


def _rest(settled: CTE) -> ColumnElement[Decimal]:
    """What a job did not come to."""
    rest: ColumnElement[Decimal] = settled.c.price - settled.c.charged
    return rest


def _sums(settled: CTE) -> Subquery:
    created = func.timezone("UTC", settled.c.created_at)
    rest = func.sum(_rest(settled))
    return (
        select(
            settled.c.key_id,
            func.count().filter(settled.c.batch_id.is_(None)).label("jobs"),
            func.sum(settled.c.price).label("price"),
            func.sum(settled.c.charged).label("charged"),
            func.coalesce(rest.filter(created >= TODAY), 0).label("rest_of_today"),
            func.coalesce(rest.filter(created >= THIS_MONTH), 0).label("rest_of_this_month"),
        )
        .group_by(settled.c.key_id)
        .subquery("sums")
    )


def _clearing(sums: Subquery) -> Update:
    # At midnight a job may have been counted on the other side of it.
    today = Budget.used_today - case((Budget.day >= TODAY, sums.c.rest_of_today), else_=0)
    this_month = Budget.used_this_month - case((Budget.month >= THIS_MONTH, sums.c.rest_of_this_month), else_=0)
    return (
        update(Budget)
        .where(Budget.key_id == sums.c.key_id)
        .values(
            reserved=Budget.reserved - sums.c.price,
            spent=Budget.spent + sums.c.charged,
            used_today=func.greatest(today, 0),
            used_this_month=func.greatest(this_month, 0),
            # A job that the release before took in was not counted.
            in_flight=func.greatest(Budget.in_flight - sums.c.jobs, 0),
        )
    )


def _moved(jobs: CTE, entry: Entry, amount: ColumnElement[Any], way: tuple[Account, Account]) -> list[Select[Any]]:
    """Both sides of money that goes from one account to another."""
    source, target = way
    return [
        select(
            jobs.c.id,
            jobs.c.batch_id,
            jobs.c.key_id,
            literal(entry, Closed(Entry)),
            literal(account, Closed(Account)),
            side,
        ).where(amount != 0)
        for account, side in ((source, -amount), (target, amount))
    ]


def _postings(*sides: Select[Any]) -> Insert:
    columns = ["job_id", "batch_id", "key_id", "entry", "account", "amount"]
    return insert(Posting).from_select(columns, union_all(*sides))


def refusal(session: Session, key_id: UUID, price: Decimal) -> DarkroomError | None:
    """Why a key's budget has no room for a job's price; None where it has by now."""
    budget = session.execute(select(Budget).where(Budget.key_id == key_id)).scalar_one()
    if budget.most_in_flight is not None and budget.in_flight >= budget.most_in_flight:
        return TooManyInFlight(budget.most_in_flight)
    return cap_reached(session, key_id, price)


def cap_reached(session: Session, key_id: UUID, price: Decimal) -> CapReached | None:
    """The cap that a price does not fit under."""
    budget, used_today, used_this_month = session.execute(
        select(Budget, USED_TODAY, USED_THIS_MONTH).where(Budget.key_id == key_id)
    ).one()
    used = {
        "cap": (budget.cap, budget.reserved + budget.spent),
        "cap_a_month": (budget.cap_a_month, used_this_month),
        "cap_a_day": (budget.cap_a_day, used_today),
    }
    for name, (cap, already) in used.items():
        if cap is not None and already + price > cap:
            return CapReached(name)
    return None
