"""Waiting jobs of a provider that is out, and the stand-ins of their models."""

from pathlib import Path
from uuid import UUID

import pytest

from core import admission, breaker, calls, failover, ledger
from core.bootstrap import Services
from core.errors import Failure, FailureKind
from core.states import Event, JobState
from tests import builders

STAND_IN = """
[models.dall-e-2]
fallbacks = ["spare"]

[models.spare]
provider = "spare-host"
upstream_model = "spare-1"
owned_by = "us"
created = 1
sizes = ["256x256", "512x512", "1024x1024"]
default_size = "1024x1024"
max_prompt = 1000

[models.spare.prices]
256x256 = { standard = "0" }
512x512 = { standard = "0" }
1024x1024 = { standard = "0" }

[providers.spare-host]
adapter = "openai_compatible"
base_url = "http://127.0.0.1:1/v1"
"""


@pytest.fixture
def environment(environment: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """With a catalog in which dall-e-2 has a stand-in."""
    own = tmp_path / "catalog.toml"
    own.write_text(STAND_IN)
    return {**environment, "DARKROOM_CATALOG": str(own)}


def take_out(services: Services, provider: str = "openai") -> None:
    with services.database.transaction() as session:
        admission.register(session, provider, slots=5)
        for _ in range(breaker.MOST_FAILURES):
            breaker.report_failure(session, provider, FailureKind.UNAVAILABLE)


def reroute(services: Services) -> dict[str, list[UUID]]:
    with services.database.transaction() as session:
        rerouted = failover.reroute(session, services.catalog)
    return {provider: [job.id for job in jobs] for provider, jobs in rerouted.items()}


def test_waiting_jobs_go_to_the_stand_in(services: Services) -> None:
    job_id = builders.make_job(services, n=3, admit=False)
    take_out(services)

    assert reroute(services) == {"spare-host": [job_id]}

    job = builders.job_of(services, job_id)
    assert (job.provider, job.upstream_model, job.slots) == ("spare-host", "spare-1", 3)
    assert builders.events_of(services, job_id)[-1] is Event.REROUTED


def test_what_a_drained_provider_has_waiting_goes_to_the_stand_in(services: Services) -> None:
    builders.register(services)
    under_way, waiting = builders.make_job(services), builders.make_job(services, admit=False)

    with services.database.transaction() as session:
        assert admission.drain(session, "openai")

    assert reroute(services) == {"spare-host": [waiting]}
    assert builders.job_of(services, under_way).provider == "openai"


def test_a_drained_stand_in_gets_nothing(services: Services) -> None:
    builders.make_job(services, admit=False)
    take_out(services)
    builders.register(services, provider="spare-host")
    with services.database.transaction() as session:
        assert admission.drain(session, "spare-host")

    assert reroute(services) == {}


def test_nothing_moves_while_the_provider_is_well(services: Services) -> None:
    builders.register(services)
    job_id = builders.make_job(services, admit=False)

    assert reroute(services) == {}
    assert builders.job_of(services, job_id).provider == "openai"


def test_what_the_provider_is_at_work_on_stays_with_it(services: Services) -> None:
    claim = builders.claim(services, builders.make_job(services))
    with services.database.transaction() as session:
        calls.accept_call(session, calls.open_call(session, claim, positions=[0]), {"task": 1})
    builders.lose_lease(services, claim.job_id)
    with services.database.transaction() as session:
        ledger.rescue(session)
    take_out(services)

    assert reroute(services) == {}


def test_a_refused_job_is_offered_to_nobody_else(services: Services) -> None:
    claim = builders.claim(services, builders.make_job(services))
    with services.database.transaction() as session:
        assert ledger.fail(session, claim, Failure(FailureKind.MODERATED, "no"))
    take_out(services)

    assert reroute(services) == {}
    assert builders.state_of(services, claim.job_id) is JobState.FAILED


def test_a_stand_in_that_is_out_as_well_gets_nothing(services: Services) -> None:
    job_id = builders.make_job(services, admit=False)
    take_out(services)
    take_out(services, "spare-host")

    assert reroute(services) == {}
    assert builders.job_of(services, job_id).provider == "openai"
