"""/metrics: how the house is now, in gauges."""

from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import update

from core import admission, fleet, processes
from core.bootstrap import Services
from core.fleet import Allowance, Load
from core.orm import Image, Job
from core.processes import Presence
from core.states import Part
from tests import builders
from tests.integration.api import lives
from tests.integration.api.lives import Owner
from tests.integration.api.metrics import Scrape


def test_what_waits_and_what_runs_is_told_now(
    owner: Owner, services: Services, scrape: Callable[[], Scrape]
) -> None:
    before = scrape()
    job_id = lives.begin(services, owner)
    with services.database.transaction() as session:
        session.execute(update(Job).where(Job.id == job_id).values(run_after=builders.now(session)))

    queued = scrape()
    lives.start(services, job_id)
    running = scrape()

    lane = {"provider": "openai", "lane": "interactive"}
    assert queued("darkroom_queue_jobs", **lane) == before("darkroom_queue_jobs", **lane) + 1
    assert queued("darkroom_queue_oldest_seconds", **lane) > 0
    slots = {"provider": "openai", "state": "running"}
    in_use = "darkroom_provider_slots_in_use"
    assert running(in_use, **slots) == before(in_use, **slots) + 1
    assert running("darkroom_provider_slots", provider="openai") == builders.SLOTS


def test_a_provider_has_one_standing(services: Services, scrape: Callable[[], Scrape]) -> None:
    builders.register(services)

    def standing() -> list[str]:
        return [
            labels["standing"]
            for name, labels, value in scrape().samples()
            if name == "darkroom_provider_standing" and labels["provider"] == "openai" and value
        ]

    assert standing() == ["healthy"]
    with services.database.transaction() as session:
        admission.pause(session, "openai")
    assert standing() == ["paused"]
    with services.database.transaction() as session:
        admission.resume(session, "openai")
    assert standing() == ["healthy"]


def test_processes_and_what_they_were_told_are_told(services: Services, scrape: Callable[[], Scrape]) -> None:
    Presence(services.database, Part.SCHEDULER).beat()
    worker = processes.this(Part.WORKER, provider="openai")
    told = Allowance(500, 120, reset=timedelta(seconds=30), age=timedelta(0))
    with services.database.transaction() as session:
        fleet.beat(session, worker, Load(rss=1, stopping=False, allowance=told))

    found = scrape()

    assert found("darkroom_processes", part="scheduler", state="healthy") == 1
    assert found("darkroom_processes", part="clerk") == 0
    assert found("darkroom_workers", state="healthy") == found("darkroom_workers", provider="openai") == 1
    assert found("darkroom_provider_allowance_calls", provider="openai") == 500
    assert found("darkroom_provider_allowance_left_calls", provider="openai") == 120
    assert 0 < found("darkroom_provider_allowance_reset_seconds", provider="openai") <= 30


def test_pictures_past_their_time_are_a_lag(
    owner: Owner, services: Services, scrape: Callable[[], Scrape]
) -> None:
    claim = lives.start(services, lives.begin(services, owner))
    lives.land(services, claim, 0)
    with services.database.transaction() as session:
        session.execute(update(Image).values(expires_at=builders.now(session)))

    assert scrape()("darkroom_sweep_lag_seconds") > 0
