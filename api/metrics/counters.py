"""What ever happened, from the history: it goes up only, whichever process ends or begins."""

from collections.abc import Iterator

from prometheus_client import Metric

from api.metrics.families import counter, histogram
from core.history import Totals

OF_JOBS = ("provider", "model", "lane")
# name -> (what it tells, the history's column)
JOBS = {
    "darkroom_jobs_recorded": ("Jobs that came in.", "recorded"),
    "darkroom_jobs_started": ("Jobs whose first attempt began.", "started"),
    "darkroom_job_retries": ("Attempts that failed and are followed by another one.", "retried"),
    "darkroom_job_rescues": ("Attempts whose worker fell silent: leases that were lost.", "rescued"),
    "darkroom_job_handovers": ("Attempts whose worker ended, and left the job to another one.", "handed_over"),
    "darkroom_pictures": ("Pictures of jobs that have ended.", "pictures"),
    "darkroom_charged_dollars": ("What jobs that have ended came to, by our prices.", "charged"),
}
# name -> (what it tells, the history's counts by bucket, the sum of their seconds)
DURATIONS = {
    "darkroom_job_wait_seconds": (
        "From the request to the first attempt, of jobs that began.",
        *("waits", "wait_seconds"),
    ),
    "darkroom_render_seconds": (
        "From sending a provider call to its pictures in hand, of calls that made some.",
        *("renders", "render_seconds"),
    ),
    "darkroom_store_seconds": (
        "From pictures in hand to pictures in the store, of calls that made some.",
        *("stores", "store_seconds"),
    ),
    "darkroom_job_seconds": ("From the request to the end of the job.", *("totals", "total_seconds")),
}


def collect(totals: Totals) -> Iterator[Metric]:
    for name, (told, column) in JOBS.items():
        samples = (((row.provider, row.model, row.lane), float(getattr(row, column))) for row in totals.jobs)
        yield counter(name, told, OF_JOBS, samples)
    yield _settled(totals)
    for name, (told, counts, seconds) in DURATIONS.items():
        durations = (
            ((row.provider, row.model, row.lane), getattr(row, counts), getattr(row, seconds))
            for row in totals.jobs
        )
        yield histogram(name, told, OF_JOBS, durations)
    yield counter(
        "darkroom_job_failures",
        "Jobs that failed, by the kind of failure.",
        ("provider", "model", "kind"),
        (((row.provider, row.model, row.kind), row.jobs) for row in totals.failures),
    )
    yield counter(
        "darkroom_provider_calls",
        "Provider calls of jobs that have ended, by what became of them.",
        ("provider", "model", "outcome"),
        (((row.provider, row.model, row.outcome), row.calls) for row in totals.calls),
    )


def _settled(totals: Totals) -> Metric:
    """What was refused is no failure of the house: the outcomes add up to all that ended."""
    samples = (
        ((row.provider, row.model, row.lane, outcome), number)
        for row in totals.jobs
        for outcome, number in {
            "completed": row.completed,
            "failed": row.failed - row.refused,
            "refused": row.refused,
            "cancelled": row.cancelled,
        }.items()
    )
    return counter("darkroom_jobs_settled", "Jobs that ended, by how.", (*OF_JOBS, "outcome"), samples)
