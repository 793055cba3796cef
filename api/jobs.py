"""/v1/images/jobs: a caller's own jobs, whichever way they came in; nobody else's."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from api import listing
from api.job_schemas import job_response
from core import cancellation, reports
from core.bootstrap import Services
from core.errors import JobIsSettled, JobMissing
from core.keys import Caller
from core.reports import Report
from core.states import JobState


def one(services: Services, caller: Caller, job_id: str) -> dict[str, Any]:
    """Raises JobMissing."""
    return job_response(find(services, caller, job_id), services).to_json()


def every(services: Services, caller: Caller, query: Mapping[str, str]) -> dict[str, Any]:
    """A page of jobs, newest first. Raises InvalidRequest."""
    search = listing.search(query)
    with services.database.single() as session:
        found = reports.page(session, caller.key_id, replace(search, limit=search.limit + 1))
    shown = [job_response(report, services) for report in found[: search.limit]]
    return listing.page(shown, has_more=len(found) > search.limit).to_json()


def cancel(services: Services, caller: Caller, job_id: str) -> dict[str, Any]:
    """Cancelling a job once more changes nothing. Raises JobMissing, JobIsSettled."""
    job = find(services, caller, job_id).job
    cancellation.cancel(services.database, services.notifier, job.id)
    report = find(services, caller, job_id)
    if report.job.state is not JobState.CANCELLED:
        raise JobIsSettled(report.job.state)
    return job_response(report, services).to_json()


def find(services: Services, caller: Caller, job_id: str) -> Report:
    """Raises JobMissing, also for what is no id and for the jobs of others."""
    parsed = listing.job_id(job_id)
    if parsed:
        with services.database.single() as session:
            report = reports.own(session, caller.key_id, parsed)
        if report:
            return report
    raise JobMissing(job_id)
