"""The public contract of /v1/ops/stats."""

from typing import Literal
from uuid import UUID

from api.job_schemas import Described, Dollars
from core.errors import FailureKind
from core.meters import WorkerState
from core.standings import Standing
from core.states import BatchStatus, Lane, Part


class QueueStats(Described):
    """What waits in one lane of a provider; held jobs aside."""

    depth: int
    more: bool
    """There are others, which were not counted."""
    oldest_seconds: float | None
    """For how long the job that waits longest has been due; null where none is."""


class RateStats(Described):
    """How a provider's rate stands."""

    limit: int
    remaining: int
    reset_seconds: float
    """In how many seconds there are more."""


class AllowanceStats(RateStats):
    """A provider's own rate limit, as the headers of its answers told `age_seconds` ago."""

    age_seconds: float


class DurationStats(Described):
    """Of `count` things; half of them took `p50_seconds` at most, 95 in 100 `p95_seconds`."""

    count: int
    p50_seconds: float
    p95_seconds: float


class LatencyStats(Described):
    """Null where there was nothing to measure."""

    wait: DurationStats | None
    """From the request to the first attempt."""
    render: DurationStats | None
    """From a provider call to its pictures in hand."""
    store: DurationStats | None
    """From pictures in hand to pictures in the store."""
    total: DurationStats | None
    """From the request to the end of the job."""


class FailureStats(Described):
    """Jobs that failed for one kind of reason."""

    kind: FailureKind
    jobs: int
    last_job_id: UUID


class WindowStats(Described):
    """What happened to a provider's jobs in a stretch of time."""

    recorded: int
    started: int
    completed: int
    failed: int
    """Without those that were refused."""
    refused: int
    cancelled: int
    retried: int
    rescued: int
    handed_over: int
    """Attempts whose worker was told to end, and left the job to another one."""
    pictures: int
    charged_usd: Dollars
    success_rate: float | None
    """Of the jobs that were completed or failed, the share that was completed; null where there were none."""
    latencies: LatencyStats
    failures: list[FailureStats]
    """Most frequent first, refusals included."""


class ProviderStats(Described):
    name: str
    standing: Standing
    until: int | None
    """When it may start jobs again by itself, in Unix seconds."""
    slots: int
    slots_running: int
    slots_dispatched: int
    rate: RateStats | None
    """That which Darkroom keeps to; null where it has none, or Redis is away."""
    allowance: AllowanceStats | None
    """Null where the provider tells none."""
    workers: int
    """How many worker processes take its jobs."""
    queues: dict[Lane, QueueStats]
    in_doubt_usd: Dollars
    """Of calls whose answer was lost, of jobs of the last two days."""
    in_doubt_seconds: float
    """For how long the first of them has been in doubt."""
    last_hour: WindowStats
    last_day: WindowStats


class WorkerStats(Described):
    """A process behind the front end; schedulers and clerks have no provider."""

    name: str
    part: Part
    provider: str | None
    host: str
    version: str
    state: WorkerState
    running: int
    concurrency: int
    jobs_done: int
    memory_bytes: int
    silent_seconds: float
    """How long ago it was last heard of."""


class WebhookStats(Described):
    pending: int
    """Events that are yet to be told, of which ten thousand are counted at most."""
    lag_seconds: float
    """For how long the first of them is overdue."""
    delivered_last_hour: int
    failed_last_hour: int


class OpsStats(Described):
    """The figures of the whole house, at most two seconds old."""

    object: Literal["ops.stats"]
    created_at: int
    """When they were read, in Unix seconds."""
    providers: list[ProviderStats]
    workers: list[WorkerStats]
    batches: dict[BatchStatus, int]
    """Those that have not ended."""
    webhooks: WebhookStats
    reserved_usd: Dollars
    """Set aside for what has not ended."""
    history_lag_seconds: float
    """How far what happened in the last hour and day is behind."""
    sweep_lag_seconds: float
    """For how long the picture that should have gone first has been in the store too long."""
