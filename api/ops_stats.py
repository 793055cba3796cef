"""GET /v1/ops/stats: how the house is and how it was lately, for people's own dashboards."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy.orm import Session

from api.dashboard.glass import Glass
from api.ops_schemas import (
    AllowanceStats,
    DurationStats,
    FailureStats,
    LatencyStats,
    OpsStats,
    ProviderStats,
    QueueStats,
    RateStats,
    WebhookStats,
    WindowStats,
    WorkerStats,
)
from core import history, meters
from core.bootstrap import Services
from core.fleet import Allowance, Member
from core.history import Dimension, FailureGroup, Latencies, Outcomes, Quantiles
from core.meters import Meters, WorkerState
from core.rates import Standing
from core.standings import ProviderStanding

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOTHING = Outcomes(
    **dict.fromkeys(("recorded", "started", "retried", "rescued", "handed_over"), 0),
    **dict.fromkeys(("completed", "failed", "refused", "cancelled", "pictures"), 0),
    charged=Decimal(0),
)


@dataclass(frozen=True, slots=True)
class Window:
    """What happened in a stretch of time, by provider."""

    outcomes: Mapping[str, Outcomes]
    latencies: Mapping[str, Latencies]
    failures: Sequence[FailureGroup]

    @classmethod
    def read(cls, session: Session, length: timedelta) -> "Window":
        bins = history.lately(session, length)
        return cls(
            history.outcomes(session, bins, Dimension.PROVIDER),
            history.latencies_by_provider(session, bins),
            history.failures(session, bins),
        )


def show(services: Services, glass: Glass) -> dict[str, Any]:
    return glass.look("stats", lambda: _read(services)).model_dump(mode="json")


def _read(services: Services) -> OpsStats:
    with services.database.transaction() as session:
        seen = meters.read(session)
        hour, day = Window.read(session, HOUR), Window.read(session, DAY)
    headroom = meters.headroom(services.rates, services.catalog, seen.rates)
    return OpsStats(
        object="ops.stats",
        created_at=int(time.time()),
        providers=[_provider(each, seen, headroom, hour=hour, day=day) for each in seen.providers],
        workers=[_worker(member) for member in seen.workers],
        batches=dict(seen.batches),
        webhooks=WebhookStats(
            pending=seen.debt.pending,
            lag_seconds=seen.debt.lag.total_seconds(),
            delivered_last_hour=seen.tellings.delivered,
            failed_last_hour=seen.tellings.failed,
        ),
        reserved_usd=seen.money.reserved,
        history_lag_seconds=seen.history_lag,
        sweep_lag_seconds=seen.sweep_lag,
    )


def _provider(
    each: ProviderStanding, seen: Meters, headroom: Mapping[str, Standing], *, hour: Window, day: Window
) -> ProviderStats:
    own = [meters.state_of(member) for member in seen.workers if member.worker.provider == each.name]
    left = headroom.get(each.name)
    return ProviderStats(
        name=each.name,
        standing=each.standing,
        until=int(each.until.timestamp()) if each.until else None,
        slots=each.slots,
        slots_running=each.running,
        slots_dispatched=each.dispatched,
        rate=RateStats(limit=left.most, remaining=left.left, reset_seconds=left.reset_seconds) if left else None,
        allowance=_allowance(seen.allowances.get(each.name)),
        workers=own.count(WorkerState.HEALTHY),
        queues={
            lane: QueueStats(depth=queue.depth, more=queue.more, oldest_seconds=queue.oldest)
            for lane, queue in each.queues.items()
        },
        in_doubt_usd=seen.money.in_doubt.get(each.name, Decimal(0)),
        in_doubt_seconds=seen.money.doubt_ages.get(each.name, 0.0),
        last_hour=_window(each.name, hour),
        last_day=_window(each.name, day),
    )


def _allowance(told: Allowance | None) -> AllowanceStats | None:
    if told is None:
        return None
    return AllowanceStats(
        limit=told.most,
        remaining=told.left,
        reset_seconds=told.reset.total_seconds(),
        age_seconds=told.age.total_seconds(),
    )


def _window(provider: str, window: Window) -> WindowStats:
    came = window.outcomes.get(provider, NOTHING)
    took = window.latencies.get(provider, Latencies())
    return WindowStats(
        **{**asdict(came), "failed": came.failed - came.refused},
        charged_usd=came.charged,
        success_rate=came.success,
        latencies=LatencyStats(
            wait=_duration(took.wait),
            render=_duration(took.render),
            store=_duration(took.store),
            total=_duration(took.total),
        ),
        failures=[
            FailureStats(kind=group.kind, jobs=group.jobs, last_job_id=group.job_id)
            for group in window.failures
            if group.provider == provider
        ],
    )


def _duration(took: Quantiles | None) -> DurationStats | None:
    return DurationStats(count=took.count, p50_seconds=took.p50, p95_seconds=took.p95) if took else None


def _worker(member: Member) -> WorkerStats:
    worker = member.worker
    return WorkerStats(
        name=worker.name,
        part=worker.part,
        provider=worker.provider,
        host=worker.host,
        version=worker.version,
        state=meters.state_of(member),
        running=worker.running,
        concurrency=worker.concurrency,
        jobs_done=worker.jobs_done,
        memory_bytes=worker.rss,
        silent_seconds=member.age.total_seconds(),
    )
