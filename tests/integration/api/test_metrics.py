"""/metrics: who is told, in which form, at what price, and what of it without the ledger."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient
from sqlalchemy import event

from api.app import create_app
from api.waiting import WaitingRoom
from core.bootstrap import Services, assemble
from core.settings import Settings
from tests.integration.api.lives import Owner
from tests.integration.api.metrics import OPENMETRICS, Scrape, live, read
from tests.stack import until
from tests.tcp_proxy import TcpProxy

PROMTOOL = shutil.which("promtool")


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
