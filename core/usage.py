"""What a key has used: its jobs by day and model, and where its budget stands."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Date, cast, func, select
from sqlalchemy.orm import Session

from core.job_ids import first_id
from core.money import USED_THIS_MONTH, USED_TODAY
from core.orm import Budget, Image, Job
from core.states import LIVE

EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """One day's jobs for one model. `cost` is what they came to, `reserved` is set aside for those under way."""

    day: date
    model: str
    jobs: int
    pictures: int
    cost: Decimal
    reserved: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """Where a key's budget stands, in dollars; a cap or a most of None does not limit."""

    cap: Decimal | None
    cap_a_day: Decimal | None
    cap_a_month: Decimal | None
    most_in_flight: int | None
    reserved: Decimal
    spent: Decimal
    used_today: Decimal
    used_this_month: Decimal
    in_flight: int

    @property
    def left(self) -> Decimal | None:
        """What a job may still cost under every cap; None without any."""
        used = (
            (self.cap, self.reserved + self.spent),
            (self.cap_a_day, self.used_today),
            (self.cap_a_month, self.used_this_month),
        )
        rooms = [max(cap - already, Decimal(0)) for cap, already in used if cap is not None]
        return min(rooms, default=None)


_DAY = cast(func.timezone("UTC", func.uuid_extract_timestamp(Job.id)), Date)
_PICTURES = select(func.count()).where(Image.job_id == Job.id).correlate(Job).scalar_subquery()
_BY_DAY = (
    select(
        _DAY.label("day"),
        Job.model.label("model"),
        func.count().label("jobs"),
        func.sum(_PICTURES).label("pictures"),
        func.coalesce(func.sum(Job.charged), 0).label("cost"),
        func.coalesce(func.sum(Job.price).filter(Job.state_in(*LIVE)), 0).label("reserved"),
    )
    .group_by(_DAY, Job.model)
    .order_by(_DAY, Job.model)
)


def by_day(session: Session, key_id: UUID, first: date, last: date, *, model: str | None = None) -> list[Use]:
    """A key's jobs that came in on the days from `first` to `last`, UTC; days without any are left out."""
    begin, end = first_id(_midnight(first)), first_id(_midnight(last), after=timedelta(days=1))
    query = _BY_DAY.where(Job.key_id == key_id, Job.id >= begin, Job.id < end)
    if model is not None:
        query = query.where(Job.model == model)
    return [Use(**{**row, "pictures": int(row["pictures"])}) for row in session.execute(query).mappings()]


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def balance(session: Session, key_id: UUID) -> Balance:
    budget, used_today, used_this_month = session.execute(
        select(Budget, USED_TODAY, USED_THIS_MONTH).where(Budget.key_id == key_id)
    ).one()
    return Balance(
        cap=budget.cap,
        cap_a_day=budget.cap_a_day,
        cap_a_month=budget.cap_a_month,
        most_in_flight=budget.most_in_flight,
        reserved=budget.reserved,
        spent=budget.spent,
        used_today=used_today,
        used_this_month=used_this_month,
        in_flight=budget.in_flight,
    )
