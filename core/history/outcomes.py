"""What came of jobs and of calls over a window: for tables and tiles."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import Session

from core.errors import FailureKind
from core.history.bins import Bins
from core.history.scopes import ALL, Dimension, Scope, named, of, within
from core.orm import CallCount, FailureCount, History
from core.states import CallOutcome

_SUMMED = (
    *("recorded", "started", "retried", "rescued", "handed_over"),
    *("completed", "failed", "refused", "cancelled", "pictures", "charged"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """What jobs came to. `failed` includes those `refused` for their prompt; `charged` is in dollars."""

    recorded: int
    started: int
    retried: int
    rescued: int
    handed_over: int
    completed: int
    failed: int
    refused: int
    cancelled: int
    pictures: int
    charged: Decimal

    @property
    def judged(self) -> int:
        """How many there are to tell success from: what was refused says nothing of the house."""
        return self.completed + self.failed - self.refused

    @property
    def success(self) -> float | None:
        """Share of those judged that were completed; None of none."""
        return self.completed / self.judged if self.judged else None

    @property
    def refusal(self) -> float | None:
        """Share of those that ended by themselves that were refused; None of none."""
        ended = self.completed + self.failed
        return self.refused / ended if ended else None


def outcomes(session: Session, bins: Bins, by: Dimension, scope: Scope = ALL) -> Mapping[str, Outcomes]:
    """By the name of a provider or a model, or the id of a key, over all bins together."""
    sums = (func.sum(getattr(History, name)).label(name) for name in _SUMMED)
    query = select(of(by).label("name"), *sums).where(*within(bins, scope, by)).group_by("name").order_by("name")
    rows = session.execute(query).mappings()
    return {row["name"]: Outcomes(**{name: row[name] for name in _SUMMED}) for row in rows}


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """How many jobs failed with a provider for one kind of reason; `job_id` is the last of them."""

    provider: str
    kind: FailureKind
    jobs: int
    job_id: UUID


def failures(session: Session, bins: Bins, scope: Scope = ALL) -> Sequence[FailureGroup]:
    """Most frequent first. They are not counted by key."""
    jobs = func.sum(FailureCount.jobs).label("jobs")
    last = func.array_agg(aggregate_order_by(FailureCount.job_id, FailureCount.at.desc()))[1].label("job_id")
    query = (
        select(FailureCount.provider, FailureCount.kind, jobs, last)
        .where(*_counted(FailureCount, bins, scope))
        .group_by(FailureCount.provider, FailureCount.kind)
        .order_by(jobs.desc(), FailureCount.provider, FailureCount.kind)
    )
    return [FailureGroup(*row) for row in session.execute(query)]


@dataclass(frozen=True, slots=True)
class Calls:
    """What became of a provider's calls."""

    provider: str
    outcome: CallOutcome
    calls: int


def calls(session: Session, bins: Bins, scope: Scope = ALL) -> Sequence[Calls]:
    """Calls of jobs that have ended. They are not counted by key."""
    query = (
        select(CallCount.provider, CallCount.outcome, func.sum(CallCount.calls))
        .where(*_counted(CallCount, bins, scope))
        .group_by(CallCount.provider, CallCount.outcome)
        .order_by(CallCount.provider, CallCount.outcome)
    )
    return [Calls(*row) for row in session.execute(query)]


def _counted(table: type[FailureCount | CallCount], bins: Bins, scope: Scope) -> list[ColumnElement[bool]]:
    which = [*named(table.provider, scope.provider), *named(table.model, scope.model)]
    return [table.grain == bins.grain, table.at >= bins.since, *which]
