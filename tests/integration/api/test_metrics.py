"""/metrics: what Prometheus is told of the house."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, update

from api.app import create_app
from api.waiting import WaitingRoom
from core import admission, calls, fleet, ledger, processes
from core.bootstrap import Services, assemble
from core.errors import FailureKind
from core.fleet import Allowance, Load
from core.ledger import Claim
from core.orm import Image, Job
from core.processes import Presence
from core.settings import Settings
from core.states import Part
from tests import builders
from tests.integration.api import lives
from tests.integration.api.house import House
from tests.integration.api.lives import Owner
from tests.integration.api.metrics import OPENMETRICS, Scrape, add_up
from tests.stack import until
from tests.tcp_proxy import TcpProxy

PROMTOOL = shutil.which("promtool")
DALL_E = {"provider": "openai", "model": "dall-e-2"}


@pytest.fixture
def admin(services: Services) -> dict[str, str]:
    key, _ = builders.make_caller(services, admin=True)
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture
def scrape(services: Services, admin: dict[str, str]) -> Callable[..., Scrape]:
    """By a front end that was started this moment: it remembers nothing."""

    def scrape() -> Scrape:
        add_up(services)
        app = create_app(services, WaitingRoom(services.database, services.notifier))
        return read(app.test_client(), admin)

    return scrape


def read(client: FlaskClient, headers: dict[str, str]) -> Scrape:
    response = client.get("/metrics", headers=headers)
    assert response.status_code == 200, response.text
    return Scrape.of(response.text)


def test_only_admin_keys_are_told(client: FlaskClient, authorized: dict[str, str], admin: dict[str, str]) -> None:
    nobody, plain = client.get("/metrics"), client.get("/metrics", headers=authorized)

    assert (nobody.status_code, plain.status_code) == (401, 403)
    assert plain.get_json()["error"]["code"] == "admin_key_required"
    assert client.get("/metrics", headers=admin).status_code == 200


def test_the_metrics_keep_to_the_conventions(
    owner: Owner, services: Services, scrape: Callable[[], Scrape]
) -> None:
    live(services, owner)

    found = scrape()

    for family in found.families.values():
        assert family.name.startswith("darkroom_")
        assert family.documentation.endswith(".")
        assert family.type in {"gauge", "counter", "histogram"}
        assert all(sample.name.endswith("_total") == (family.type == "counter") for sample in family.samples)
    assert all(value >= 0 for _, _, value in found.samples())


@pytest.mark.skipif(PROMTOOL is None, reason="promtool comes with Prometheus")
def test_promtool_has_nothing_to_say(client: FlaskClient, admin: dict[str, str]) -> None:
    text = client.get("/metrics", headers=admin).data

    assert PROMTOOL
    said = subprocess.run([PROMTOOL, "check", "metrics"], input=text, capture_output=True, check=False)
    assert (said.returncode, said.stdout + said.stderr) == (0, b"")


def test_whoever_prefers_openmetrics_gets_it(client: FlaskClient, admin: dict[str, str]) -> None:
    plain = client.get("/metrics", headers=admin)
    modern = client.get("/metrics", headers={**admin, "Accept": OPENMETRICS})

    assert plain.mimetype == "text/plain"
    assert modern.mimetype == "application/openmetrics-text"
    assert Scrape.of(modern.text, openmetrics=True).names >= {"darkroom_up", "darkroom_http_requests_total"}


def live(services: Services, owner: Owner) -> None:
    """One job completes after a retry, a rescue and a hand-over, one fails, one is refused, and one waits."""
    done = lives.start(services, lives.begin(services, owner, n=2))
    lives.put_off(services, done)
    builders.make_due(services, done.job_id)
    builders.claim(services, done.job_id)
    builders.lose_lease(services, done.job_id)
    rescue(services)
    builders.make_due(services, done.job_id)
    hand_over(services, builders.claim(services, done.job_id))
    builders.make_due(services, done.job_id)
    done = builders.claim(services, done.job_id)
    lives.land(services, done, 0, 1)
    lives.complete(services, done)
    for kind in (FailureKind.STORE, FailureKind.MODERATED):
        lives.fail(services, lives.start(services, lives.begin(services, owner)), kind)
    lives.begin(services, owner)


def rescue(services: Services) -> None:
    with services.database.transaction() as session:
        ledger.rescue(session)


def hand_over(services: Services, claim: Claim) -> None:
    with services.database.transaction() as session:
        assert ledger.hand_over(session, claim)


def test_counters_rise_as_jobs_go_through_the_house(
    owner: Owner, services: Services, scrape: Callable[[], Scrape]
) -> None:
    def counted() -> dict[str, float]:
        found = scrape()
        outcomes = {
            each: found("darkroom_jobs_settled_total", outcome=each, **DALL_E)
            for each in ("completed", "failed", "refused", "cancelled")
        }
        names = [f"job{each}" for each in ("s_recorded", "s_started", "_retries", "_rescues", "_handovers")]
        names += ["pictures", "charged_dollars"]
        return outcomes | {name: found(f"darkroom_{name}_total", **DALL_E) for name in names}

    live(services, owner)
    before = counted()

    live(services, owner)

    after = counted()
    assert {name: round(after[name] - before[name], 6) for name in after} == {
        "completed": 1,
        "failed": 1,
        "refused": 1,
        "cancelled": 0,
        "jobs_recorded": 4,
        "jobs_started": 3,
        "job_retries": 1,
        "job_rescues": 1,
        "job_handovers": 1,
        "pictures": 2,
        "charged_dollars": 0.106,
    }


def test_counters_never_go_down(owner: Owner, services: Services, scrape: Callable[[], Scrape]) -> None:
    live(services, owner)
    before = ledgers(scrape())

    for _ in range(2):
        live(services, owner)
        after = ledgers(scrape())
        assert before.keys() <= after.keys()
        assert all(value <= after[series] for series, value in before.items())
        before = after


def ledgers(found: Scrape) -> dict[object, float]:
    """Those of the whole house: HTTP figures are of the process that counted them."""
    return {series: value for series, value in found.counters().items() if "_http_" not in series[0]}


def test_durations_are_told_in_buckets(owner: Owner, services: Services, scrape: Callable[[], Scrape]) -> None:
    live(services, owner)

    found = scrape()

    number = found("darkroom_job_seconds_count", **DALL_E)
    assert number >= 3
    assert found("darkroom_job_seconds_bucket", le="+Inf", **DALL_E) == number
    assert found("darkroom_job_seconds_bucket", le="60.0", **DALL_E) == number
    assert found("darkroom_job_seconds_sum", **DALL_E) > 0


def test_failures_and_calls_are_told_by_what_they_were(
    owner: Owner, services: Services, scrape: Callable[[], Scrape]
) -> None:
    claim = lives.start(services, lives.begin(services, owner))
    with services.database.transaction() as session:
        calls.open_call(session, claim, positions=[0])
        calls.give_up_calls(session, claim.job_id)
    lives.fail(services, claim, FailureKind.UNKNOWN)

    found = scrape()

    assert found("darkroom_job_failures_total", kind="unknown", **DALL_E) >= 1
    assert found("darkroom_provider_calls_total", outcome="unknown", **DALL_E) >= 1
    assert found("darkroom_in_doubt_dollars", provider="openai") > 0
    assert found("darkroom_in_doubt_seconds", provider="openai") > 0


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


def test_requests_are_told_by_route_and_never_by_path(app: Flask, admin: dict[str, str]) -> None:
    client = app.test_client()
    client.get("/v1/images/jobs/0199d0c1-2345-7abc-8def-0123456789ab", headers=admin)
    client.get("/wp-login.php")
    client.open("/v1/models", method="BREW")

    found = read(client, admin)

    name = "darkroom_http_requests_total"
    assert found(name, method="GET", route="/v1/images/jobs/{job_id}", status="404") == 1
    assert found(name, method="GET", route="unmatched", status="404") == 1
    assert found(name, method="other", route="unmatched", status="405") == 1
    assert found("darkroom_http_request_seconds_count", route="/v1/images/jobs/{job_id}") == 1


def test_the_time_of_a_job_is_no_overhead_of_ours(house: House, admin: dict[str, str]) -> None:
    def complete(job_id: object) -> None:
        claim = builders.claim(house.services, house.admitted()[0])
        assert claim.job_id == job_id
        lives.land(house.services, claim, 0)
        lives.complete(house.services, claim)

    house.while_asked(complete)

    found = read(house.app.test_client(), admin)
    whole = found("darkroom_http_request_seconds_sum", route="/v1/images/generations")
    assert found("darkroom_http_overhead_seconds_count") == 1
    assert 0 < found("darkroom_http_overhead_seconds_sum") < whole


@pytest.fixture
def line(settings: Settings) -> Iterator[TcpProxy]:
    """To the database."""
    line = TcpProxy(urlsplit(settings.database_url).netloc.rpartition("@")[2])
    yield line
    line.close()


def test_a_database_that_is_away_is_told_to_who_was_let_in_before(
    settings: Settings, line: TcpProxy, admin: dict[str, str], authorized: dict[str, str]
) -> None:
    address = urlsplit(settings.database_url).netloc.rpartition("@")[2]
    through = replace(settings, database_url=settings.database_url.replace(address, line.address))
    with closing(assemble(through)) as services:
        client = create_app(services, WaitingRoom(services.database, services.notifier)).test_client()
        assert read(client, admin)("darkroom_up") == 1
        client.get("/metrics", headers=authorized)

        line.cut()
        until(lambda: read(client, admin)("darkroom_up") == 0, "what was read before is no longer told")

        found = read(client, admin)
        assert "darkroom_queue_jobs" not in found.names
        assert found("darkroom_http_requests_total", route="/metrics") >= 2
        assert client.get("/metrics", headers=authorized).status_code == 503


def test_many_scrapes_cost_as_much_as_one(services: Services, client: FlaskClient, admin: dict[str, str]) -> None:
    asked: list[str] = []
    event.listen(services.database.engine, "before_cursor_execute", lambda *given: asked.append(given[2]))

    read(client, admin)
    first = len(asked)
    for _ in range(5):
        read(client, admin)

    assert first > 5
    assert len(asked) - first <= 1, "at most the key is looked at again"
