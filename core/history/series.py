"""What happened bin by bin: for charts over time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import func, null, select, union_all
from sqlalchemy.orm import Session

from core.history.bins import Bins
from core.history.durations import BUCKETS, Quantiles, sums
from core.history.scopes import ALL, DURATIONS, Dimension, Scope, bin_of, chosen, of, within
from core.orm import History
from core.states import Grain

_COUNTED = ("recorded", "started", "completed", "failed", "refused", "cancelled")


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowBin:
    """How many jobs came in, began, and ended. `failed` includes those `refused`."""

    at: datetime
    recorded: int = 0
    started: int = 0
    completed: int = 0
    failed: int = 0
    refused: int = 0
    cancelled: int = 0

    @property
    def settled(self) -> int:
        return self.completed + self.failed + self.cancelled


@dataclass(frozen=True, slots=True)
class Flow:
    """`opening` is how many jobs were not settled when the first bin began."""

    opening: int
    bins: Sequence[FlowBin]


def flow(session: Session, bins: Bins, scope: Scope = ALL) -> Flow:
    """What came in and what ended, in every bin."""
    counted = [func.coalesce(func.sum(getattr(History, name)), 0).label(name) for name in _COUNTED]
    ever = select(null().label("start"), *counted).where(History.grain == Grain.EVER, *chosen(scope))
    binned = select(bin_of(bins), *counted).where(*within(bins, scope)).group_by("start")
    # One statement, or what was added up in between would be in one of them only.
    rows = session.execute(union_all(ever, binned)).mappings()
    found = {row["start"]: FlowBin(at=row["start"], **{name: row[name] for name in _COUNTED}) for row in rows}
    balance = _growth(found.pop(None))
    filled = [found.get(start, FlowBin(at=start)) for start in bins.starts]
    return Flow(balance - sum(map(_growth, filled)), filled)


def _growth(bin_: FlowBin) -> int:
    return bin_.recorded - bin_.settled


@dataclass(frozen=True, slots=True)
class Latencies:
    """How long jobs waited, providers rendered, storing took, and jobs took in all; None of nothing."""

    wait: Quantiles | None = None
    render: Quantiles | None = None
    store: Quantiles | None = None
    total: Quantiles | None = None


@dataclass(frozen=True, slots=True)
class LatencyBin:
    at: datetime
    latencies: Latencies


def latencies(session: Session, bins: Bins, scope: Scope = ALL) -> list[LatencyBin]:
    """How long things took, in every bin."""
    query = select(bin_of(bins), *_all_counts()).where(*within(bins, scope)).group_by("start")
    found = {row[0]: _latencies(row[1:]) for row in session.execute(query)}
    return [LatencyBin(start, found.get(start, Latencies())) for start in bins.starts]


def latencies_by_provider(session: Session, bins: Bins, scope: Scope = ALL) -> Mapping[str, Latencies]:
    """How long things took over all bins together."""
    query = select(History.provider, *_all_counts()).where(*within(bins, scope)).group_by(History.provider)
    return {row[0]: _latencies(row[1:]) for row in session.execute(query)}


def _all_counts() -> list[Any]:
    return [count for durations in DURATIONS for count in sums(durations)]


def _latencies(row: Sequence[int]) -> Latencies:
    width = len(BUCKETS) + 1
    return Latencies(*(Quantiles.of(row[first : first + width]) for first in range(0, len(row), width)))


@dataclass(frozen=True, slots=True)
class SpendingBin:
    """Dollars charged, by the name of a provider or a model, or the id of a key; only what cost anything."""

    at: datetime
    charged: Mapping[str, Decimal]


def spending(session: Session, bins: Bins, by: Dimension, scope: Scope = ALL) -> list[SpendingBin]:
    """What was charged, in every bin."""
    query = (
        select(bin_of(bins), of(by).label("name"), func.sum(History.charged).label("charged"))
        .where(*within(bins, scope, by), History.charged > 0)
        .group_by("start", "name")
        .order_by("start", "name")
    )
    found: dict[datetime, dict[str, Decimal]] = {}
    for row in session.execute(query):
        found.setdefault(row.start, {})[row.name] = row.charged
    return [SpendingBin(start, found.get(start, {})) for start in bins.starts]
