"""How operators write what a key may, and are told it: numbers, dollars, the end of its time, or `none`."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

NONE = "none"
MOST = 2**31 - 1  # what the ledger's integers hold


class Term(NamedTuple):
    """An option of the command line for one of KeyLimits. `read` raises ValueError."""

    option: str
    read: Callable[[str], object]
    help: str


def or_none(read: Callable[[str], object]) -> Callable[[str], object]:
    """Reads `none` as None, and everything else as `read` does."""
    return lambda text: None if text == NONE else read(text)


def count(text: str) -> int:
    number = int(text) if re.fullmatch(r"[0-9]{1,10}", text) else 0
    if not 1 <= number <= MOST:
        raise ValueError(f"{text!r} is not a number from 1 on")
    return number


def dollars(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not (amount.is_finite() and 0 <= amount <= MOST):
        raise ValueError(f"{text!r} is not an amount of dollars such as 12.50")
    return amount


def expiry(text: str) -> datetime:
    if re.fullmatch(r"[1-9][0-9]{0,4}d", text):
        return datetime.now(UTC) + timedelta(days=int(text[:-1]))
    try:
        return datetime.combine(date.fromisoformat(text), time.max, UTC)
    except ValueError:
        raise ValueError(f"{text!r} is neither a day such as 2026-12-31 nor a time such as 30d") from None


def secret(text: str) -> str:
    """A key, as a header can carry it. Raises ValueError."""
    if not re.fullmatch(r"[!-~]([ -~]*[!-~])?", text):
        raise ValueError("a key is of printable ASCII, without spaces around it")
    return text


def written(value: object) -> str:
    """A limit, or what was used of it, as it is told."""
    match value:
        case None:
            return NONE
        case bool():
            return "yes" if value else "no"
        case Decimal():
            return f"{value:f}"
        case datetime():
            return f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        case list():
            return ", ".join(value)
        case _:
            return str(value)


# By the name in KeyLimits.
TERMS = {
    "models": Term("--model", str, "A model that it may use; once for each."),
    "requests_per_minute": Term("--requests-per-minute", or_none(count), "How many requests."),
    "pictures_per_minute": Term("--pictures-per-minute", or_none(count), "How many pictures."),
    "most_in_flight": Term("--in-flight", or_none(count), "How many jobs under way at once."),
    "cap": Term("--cap", or_none(dollars), "Dollars, in all."),
    "cap_a_day": Term("--cap-a-day", or_none(dollars), "Dollars a day, UTC."),
    "cap_a_month": Term("--cap-a-month", or_none(dollars), "Dollars a calendar month, UTC."),
    "weight": Term("--weight", count, "Its share where keys compete; 1 unless told."),
    "expires_at": Term("--expires", or_none(expiry), "Its last day, UTC, or in how many days, as 30d."),
    "reattaches": Term("--reattach/--no-reattach", bool, "Whether a client's retry finds its job."),
    "admin": Term("--admin/--no-admin", bool, "Whether it reads the figures of the whole house."),
}
