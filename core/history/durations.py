"""How long things took, as counts in buckets: what can be added up, and still tells its quantiles."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from sqlalchemy import ColumnElement, SQLColumnExpression, func

# Upper bounds in seconds; one more count follows, of what took longer than the last.
BUCKETS = (
    *(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0),
    *(1800.0, 3600.0, 21600.0),
)


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Seconds that half, and 95 in 100, took at most, of `count`."""

    p50: float
    p95: float
    count: int

    @classmethod
    def of(cls, counts: Sequence[int]) -> "Quantiles | None":
        """None where nothing was counted."""
        p50, p95 = quantile(counts, 0.5), quantile(counts, 0.95)
        return None if p50 is None or p95 is None else cls(p50, p95, sum(counts))


def quantile(counts: Sequence[int], share: float) -> float | None:
    """Seconds that this share took at most, as if the counts of a bucket lay evenly between its bounds.

    None of no counts. What took longer than the last bound is said to have taken just that.
    """
    if not sum(counts):
        return None
    rank = share * sum(counts)
    bucket, reached = next((at, up_to) for at, up_to in enumerate(accumulate(counts)) if up_to >= rank and up_to)
    if bucket >= len(BUCKETS):
        return BUCKETS[-1]
    lower, upper = BUCKETS[bucket - 1] if bucket else 0.0, BUCKETS[bucket]
    return upper - (upper - lower) * (reached - rank) / counts[bucket]


def sums(counts: SQLColumnExpression[Any]) -> list[ColumnElement[int]]:
    """The sum of each bucket of a column of counts."""
    return [func.coalesce(func.sum(counts[number + 1]), 0) for number in range(len(BUCKETS) + 1)]
