"""What an alert says, and from where on something is wrong."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class Severity(StrEnum):
    """`critical`: callers are let down now. `warning`: they will be, or money is at stake."""

    CRITICAL = "critical"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Alert:
    """`says` what is wrong, `advice` what to do about it, and `page` is where."""

    severity: Severity
    says: str
    advice: str
    page: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """From where on something is wrong. Seconds, shares, dollars; rates of fewer than `samples` say nothing.

    Refusals are many where there are `refusals_rise` times as many as usual, and no fewer than `few`.
    """

    interactive_wait: float = 15.0
    full_wait: float = 300.0
    success: float = 0.98
    refusals_of_provider: float = 0.2
    refusals_of_key: float = 0.2
    refusals_rise: float = 3.0
    few: int = 5
    samples: int = 20
    in_doubt: Decimal = Decimal(1)
    doubt_age: float = 900.0
    untold: float = 0.05
    history_lag: float = 120.0
    sweep_lag: float = 600.0


def critical(says: str, advice: str, page: str) -> Alert:
    return Alert(Severity.CRITICAL, says, advice, page)


def warning(says: str, advice: str, page: str) -> Alert:
    return Alert(Severity.WARNING, says, advice, page)


def long(seconds: float) -> str:
    """A length of time in words."""
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"  # noqa: PLR2004 - two hours
