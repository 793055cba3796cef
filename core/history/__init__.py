"""What happened, added up: written by the scheduler from the jobs' events, read by charts, tables and metrics."""

from core.history.bins import Bins, days, lately
from core.history.durations import BUCKETS, Quantiles, quantile
from core.history.outcomes import Calls, FailureGroup, Outcomes, calls, failures, outcomes
from core.history.rollup import PORTION, lag, prune, roll_up
from core.history.scopes import ALL, Dimension, Scope
from core.history.series import (
    Flow,
    FlowBin,
    Latencies,
    LatencyBin,
    SpendingBin,
    flow,
    latencies,
    latencies_by_provider,
    spending,
)
from core.history.totals import Totals, totals

__all__ = [
    "ALL",
    "BUCKETS",
    "PORTION",
    "Bins",
    "Calls",
    "Dimension",
    "FailureGroup",
    "Flow",
    "FlowBin",
    "Latencies",
    "LatencyBin",
    "Outcomes",
    "Quantiles",
    "Scope",
    "SpendingBin",
    "Totals",
    "calls",
    "days",
    "failures",
    "flow",
    "lag",
    "lately",
    "latencies",
    "latencies_by_provider",
    "outcomes",
    "prune",
    "quantile",
    "roll_up",
    "spending",
    "totals",
]
