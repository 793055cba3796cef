"""/v1/ops/stats: the figures of the house for people's own dashboards."""

from datetime import timedelta
from typing import Any

from flask.testing import FlaskClient
from sqlalchemy import insert

from core import fleet, processes
from core.bootstrap import Services
from core.errors import FailureKind
from core.fleet import Allowance, Load
from core.orm import Worker
from core.processes import Presence
from core.states import Part
from tests import builders
from tests.integration.api import lives
from tests.integration.api.envelope import error_of
from tests.integration.api.lives import Owner
from tests.integration.api.metrics import add_up

STATS = "/v1/ops/stats"


def test_only_admin_keys_are_told(client: FlaskClient, authorized: dict[str, str], admin: dict[str, str]) -> None:
    refused = client.get(STATS, headers=authorized)

    assert client.get(STATS).status_code == 401
    assert (refused.status_code, error_of(refused)["code"]) == (403, "admin_key_required")
    assert client.get(STATS, headers=admin).get_json()["object"] == "ops.stats"


def read(client: FlaskClient, admin: dict[str, str]) -> dict[str, Any]:
    body: dict[str, Any] = client.get(STATS, headers=admin).get_json()
    return body


def test_a_provider_is_told_as_it_is_and_as_it_was(
    client: FlaskClient, services: Services, owner: Owner, admin: dict[str, str]
) -> None:
    done = lives.start(services, lives.begin(services, owner, n=2))
    lives.land(services, done, 0, 1)
    lives.complete(services, done)
    refused = lives.start(services, lives.begin(services, owner))
    lives.fail(services, refused, FailureKind.MODERATED)
    lives.start(services, lives.begin(services, owner))
    lives.begin(services, owner)
    add_up(services)

    [found] = read(client, admin)["providers"]

    assert (found["name"], found["standing"], found["until"]) == ("openai", "healthy", None)
    assert (found["slots"], found["slots_running"]) == (builders.SLOTS, 1)
    assert found["queues"]["interactive"]["depth"] == 1
    for window in (found["last_hour"], found["last_day"]):
        counts = {name: window[name] for name in ("recorded", "completed", "failed", "refused", "pictures")}
        assert counts == {"recorded": 4, "completed": 1, "failed": 0, "refused": 1, "pictures": 2}
        assert (window["charged_usd"], window["success_rate"]) == ("0.106", 1.0)
        assert window["latencies"]["total"]["count"] == 2
        assert [(each["kind"], each["jobs"]) for each in window["failures"]] == [("moderated", 1)]


def test_workers_money_and_lags_are_told(client: FlaskClient, services: Services, admin: dict[str, str]) -> None:
    row = {"provider": "openai", "celery_name": "", "host": "one", "pid": 1, "version": "1", "concurrency": 5}
    with services.database.transaction() as session:
        session.execute(insert(Worker).values(**row, name="a", rss=7, running=2))
        session.execute(insert(Worker).values(**row, name="b", rss=7, quiet=True))
        told = Allowance(500, 120, reset=timedelta(seconds=30), age=timedelta(0))
        this = processes.this(Part.WORKER, provider="openai")
        fleet.beat(session, this, Load(rss=8, stopping=True, allowance=told))
    Presence(services.database, Part.SCHEDULER).beat()

    found = read(client, admin)

    workers = [(each["part"], each["provider"], each["state"]) for each in found["workers"]]
    assert workers == [
        *(("worker", "openai", state) for state in ("healthy", "quiet", "stopping")),
        ("scheduler", None, "healthy"),
    ]
    assert [each["memory_bytes"] for each in found["workers"]][:3] == [7, 7, 8]
    for provider in found["providers"]:
        assert (provider["allowance"]["limit"], provider["allowance"]["remaining"]) == (500, 120)
    assert [each["workers"] for each in found["providers"]] in ([], [1])
    assert found["webhooks"] == {
        "pending": 0,
        "lag_seconds": 0.0,
        "delivered_last_hour": 0,
        "failed_last_hour": 0,
    }
    assert found["batches"] == {}
    assert found["sweep_lag_seconds"] == 0.0
