"""Attempts at jobs, and what they left on the ledger and in the store."""

from uuid import UUID

from core import admission, calls, ledger, results
from core.bootstrap import Services
from core.orm import ProviderCall
from core.results import Result
from core.states import CallOutcome, Event
from tests import builders
from tests.fakes import FakeProvider
from workers.executor import Executor
from workers.providers.base import RawPicture

DAMAGED = [RawPicture(b"\x89PNG\r\n\x1a\n, and no more")]


def attempt(services: Services, provider: FakeProvider, job_id: UUID, *, worker: str = "worker-1") -> None:
    Executor(services, provider, name="openai", worker=worker).execute(job_id)


def attempt_again(services: Services, provider: FakeProvider, job_id: UUID) -> None:
    builders.make_due(services, job_id)
    attempt(services, provider, job_id)


def overtake(services: Services, job_id: UUID) -> None:
    """Rescue the job from its worker and dispatch it to the next."""
    builders.lose_lease(services, job_id)
    with services.database.transaction() as session:
        assert [job.id for job in ledger.rescue(session)] == [job_id]
    assert admission.admit(services.database, "openai") == [job_id]


def events_of(services: Services, job_id: UUID) -> list[Event]:
    with services.database.transaction() as session:
        return [event.event for event in results.history(session, job_id)]


def calls_of(services: Services, job_id: UUID) -> list[ProviderCall]:
    with services.database.transaction() as session:
        return calls.of_job(session, job_id)


def outcomes_of(services: Services, job_id: UUID) -> list[CallOutcome]:
    return [call.outcome for call in calls_of(services, job_id)]


def result_of(services: Services, job_id: UUID) -> Result:
    with services.database.transaction() as session:
        return results.of_jobs(session, [job_id])[job_id]


def stored_pictures(services: Services, job_id: UUID) -> list[bytes]:
    return [services.storage.read(image.object_key) for image in result_of(services, job_id).images]
