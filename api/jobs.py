"""/v1/images/jobs: a caller's own jobs, whichever way they came in; nobody else's."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy.orm import Session

from api import listing
from api.job_schemas import job_response
from core import cancellation, forecasts, reports
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
        page = reports.page(session, caller.key_id, replace(search, limit=search.limit + 1))
        found = [_foretold(services, session, report) for report in page]
    shown = [job_response(report, services) for report in found[: search.limit]]
    return listing.page(shown, has_more=len(found) > search.limit).to_json()


def cancel(services: Services, caller: Caller, job_id: str) -> dict[str, Any]:
    """Cancelling a job once more changes nothing. Raises JobMissing, JobIsSettled."""
    job = find(services, caller, job_id).job
    if cancellation.cancel(services.database, services.notifier, job.id):
        services.intake.start_due(job.provider)  # its slot, where it had one and no call was made yet
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
                return _foretold(services, session, report)
    raise JobMissing(job_id)


def _foretold(services: Services, session: Session, report: Report) -> Report:
    expected = services.forecaster.expect(session, report.job, report.place)
    if expected:
        forecasts.keep(session, report.job, expected)
    return replace(report, expected=expected)
