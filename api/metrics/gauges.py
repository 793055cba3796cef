"""How the house is now, from what is live on the ledger."""

from collections import Counter
from collections.abc import Iterator, Mapping

from prometheus_client import Metric

from api.metrics.families import gauge
from core import meters, standings
from core.listeners import LOOKED_AT
from core.meters import Meters, WorkerState
from core.rates import Standing as Headroom
from core.standings import Standing
from core.states import BatchStatus, Part


def collect(seen: Meters, headroom: Mapping[str, Headroom]) -> Iterator[Metric]:
    yield from _queues(seen)
    yield from _providers(seen)
    yield from _rates(headroom)
    yield from _allowances(seen)
    yield from _money(seen)
    yield from _webhooks(seen)
    yield _workers(seen)
    yield _processes(seen)
    yield gauge(
        "darkroom_batches",
        "Batches that have not ended, by how far they are.",
        ("status",),
        (((status,), seen.batches[status]) for status in BatchStatus if status in seen.batches),
    )
    yield gauge(
        "darkroom_history_lag_seconds",
        "Age of the first event that no counter and no histogram has counted yet.",
        (),
        [((), seen.history_lag)],
    )
    yield gauge(
        "darkroom_sweep_lag_seconds",
        "For how long the picture that should have gone first has been in the store too long.",
        (),
        [((), seen.sweep_lag)],
    )


def _queues(seen: Meters) -> Iterator[Metric]:
    queues = [((each.name, lane), queue) for each in seen.providers for lane, queue in each.queues.items()]
    yield gauge(
        "darkroom_queue_jobs",
        f"Jobs that wait, held ones aside; of a lane at most {standings.MOST} are counted.",
        ("provider", "lane"),
        ((labels, queue.depth) for labels, queue in queues),
    )
    yield gauge(
        "darkroom_queue_oldest_seconds",
        "For how long the job that waits longest has been due; 0 where none is.",
        ("provider", "lane"),
        ((labels, queue.oldest or 0.0) for labels, queue in queues),
    )


def _providers(seen: Meters) -> Iterator[Metric]:
    yield gauge(
        "darkroom_provider_slots",
        "Calls to the provider that may be under way at once.",
        ("provider",),
        (((each.name,), each.slots) for each in seen.providers),
    )
    yield gauge(
        "darkroom_provider_slots_in_use",
        "Those taken by jobs that a worker has (running), or is about to be given (dispatched).",
        ("provider", "state"),
        (
            ((each.name, state), taken)
            for each in seen.providers
            for state, taken in {"running": each.running, "dispatched": each.dispatched}.items()
        ),
    )
    yield gauge(
        "darkroom_provider_standing",
        "1 for what the provider may do now, 0 for everything else.",
        ("provider", "standing"),
        (((each.name, standing), each.standing is standing) for each in seen.providers for standing in Standing),
    )


def _rates(headroom: Mapping[str, Headroom]) -> Iterator[Metric]:
    yield gauge(
        "darkroom_provider_rate_calls",
        "Calls to the provider that may begin within the time of its rate, where it has one.",
        ("provider",),
        (((provider,), left.most) for provider, left in headroom.items()),
    )
    yield gauge(
        "darkroom_provider_rate_left_calls",
        "Those that are left.",
        ("provider",),
        (((provider,), left.left) for provider, left in headroom.items()),
    )


def _allowances(seen: Meters) -> Iterator[Metric]:
    told = seen.allowances.items()
    yield gauge(
        "darkroom_provider_allowance_calls",
        "The provider's own rate limit, by the headers of its answers, where it tells one.",
        ("provider",),
        (((provider,), allowance.most) for provider, allowance in told),
    )
    yield gauge(
        "darkroom_provider_allowance_left_calls",
        "What is left of it, as was told last; all of it once the time to its reset is over.",
        ("provider",),
        (((provider,), allowance.left) for provider, allowance in told),
    )
    yield gauge(
        "darkroom_provider_allowance_reset_seconds",
        "How long until all of it is there again.",
        ("provider",),
        (((provider,), allowance.reset.total_seconds()) for provider, allowance in told),
    )


def _money(seen: Meters) -> Iterator[Metric]:
    yield gauge(
        "darkroom_reserved_dollars",
        "Set aside for jobs and batches that have not ended.",
        (),
        [((), float(seen.money.reserved))],
    )
    yield gauge(
        "darkroom_in_doubt_dollars",
        "Price of the pictures of calls whose answer was lost: of jobs of the last two days, by our prices.",
        ("provider",),
        (((each.name,), float(seen.money.in_doubt.get(each.name, 0))) for each in seen.providers),
    )
    yield gauge(
        "darkroom_in_doubt_seconds",
        "For how long the first of these calls has been in doubt; 0 where none is.",
        ("provider",),
        (((each.name,), seen.money.doubt_ages.get(each.name, 0.0)) for each in seen.providers),
    )


def _webhooks(seen: Meters) -> Iterator[Metric]:
    yield gauge(
        "darkroom_webhook_pending_deliveries",
        f"Events that are yet to be told; at most {LOOKED_AT} are counted.",
        (),
        [((), seen.debt.pending)],
    )
    yield gauge(
        "darkroom_webhook_lag_seconds",
        "For how long the first of them is overdue.",
        (),
        [((), seen.debt.lag.total_seconds())],
    )
    yield gauge(
        "darkroom_webhook_recent_deliveries",
        f"Events of the last hour that were told, or given up; of the latest {standings.MOST} at most.",
        ("state",),
        [(("delivered",), seen.tellings.delivered), (("failed",), seen.tellings.failed)],
    )


def _workers(seen: Meters) -> Metric:
    found = Counter((member.worker.provider or "", meters.state_of(member)) for member in seen.workers)
    providers = {*(each.name for each in seen.providers), *(provider for provider, _ in found)} - {""}
    return gauge(
        "darkroom_workers",
        "Worker processes, by what they are up to; the lost are forgotten after a day.",
        ("provider", "state"),
        (((provider, state), found[provider, state]) for provider in sorted(providers) for state in WorkerState),
    )


def _processes(seen: Meters) -> Metric:
    found = Counter((member.worker.part, meters.state_of(member)) for member in seen.workers)
    return gauge(
        "darkroom_processes",
        "Schedulers and clerks, by what they are up to; the lost are forgotten after a day.",
        ("part", "state"),
        (((part, state), found[part, state]) for part in (Part.SCHEDULER, Part.CLERK) for state in WorkerState),
    )
