"""The public contract of money: what pictures came to, and what a key may still spend."""

from datetime import date
from typing import Literal

from api.job_schemas import Described, Dollars
from core.usage import Balance, Use


class DayOfUse(Described):
    """A day's jobs for one model."""

    date: date
    """The day, UTC, on which the jobs came in."""
    model: str
    jobs: int
    pictures: int
    """Those that were made."""
    cost_usd: Dollars
    """What the pictures came to."""
    reserved_usd: Dollars
    """What is set aside for jobs that have not ended."""


class BudgetState(Described):
    """What the API key may spend and has spent, at this moment; a cap of null does not limit."""

    cap_usd: Dollars | None
    cap_a_day_usd: Dollars | None
    """By the day, UTC."""
    cap_a_month_usd: Dollars | None
    """By the calendar month, UTC."""
    reserved_usd: Dollars
    spent_usd: Dollars
    left_usd: Dollars | None
    """What fits under every cap; null without any."""


class UsageList(Described):
    """What the API key has used, oldest first; days without jobs are left out."""

    object: Literal["list"] = "list"
    data: list[DayOfUse]
    total_cost_usd: Dollars
    budget: BudgetState


def day_of_use(use: Use) -> DayOfUse:
    return DayOfUse(
        date=use.day,
        model=use.model,
        jobs=use.jobs,
        pictures=use.pictures,
        cost_usd=use.cost,
        reserved_usd=use.reserved,
    )


def budget_state(balance: Balance) -> BudgetState:
    return BudgetState(
        cap_usd=balance.cap,
        cap_a_day_usd=balance.cap_a_day,
        cap_a_month_usd=balance.cap_a_month,
        reserved_usd=balance.reserved,
        spent_usd=balance.spent,
        left_usd=balance.left,
    )
