"""What deploy/ shows and judges is what /metrics tells."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask.testing import FlaskClient

from core.bootstrap import Services
from tests import builders
from tests.integration.api import lives
from tests.integration.api.lives import Owner
from tests.integration.api.metrics import Scrape, add_up

DEPLOY = Path(__file__).resolve().parents[3] / "deploy"
RULES = DEPLOY / "prometheus" / "rules.yaml"
CASES = DEPLOY / "prometheus" / "rules.test.yaml"
BOARD = DEPLOY / "grafana" / "darkroom.json"
ALERTS: list[dict[str, Any]] = [
    rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]
]
PROMTOOL = shutil.which("promtool")
PANELS: list[dict[str, Any]] = json.loads(BOARD.read_text())["panels"]


@pytest.fixture
def offered(client: FlaskClient, services: Services, owner: Owner) -> set[str]:
    """All names that there are once a job has gone through the house."""
    key, _ = builders.make_caller(services, admin=True)
    claim = lives.start(services, lives.begin(services, owner))
    lives.land(services, claim, 0)
    lives.complete(services, claim)
    add_up(services)
    client.get("/health/live")
    return Scrape.of(client.get("/metrics", headers={"Authorization": f"Bearer {key}"}).text).names


@pytest.mark.parametrize("file", [RULES, CASES, BOARD], ids=lambda file: file.name)
def test_only_metrics_that_there_are_are_asked_for(file: Path, offered: set[str]) -> None:
    asked = set(re.findall(r"\bdarkroom_\w+", file.read_text()))

    assert len(asked) > 15
    # A counter without figures is announced by its name alone.
    assert {name for name in asked if name not in offered and name.removesuffix("_total") not in offered} == set()


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_says_what_is_wrong_and_what_to_do(alert: dict[str, Any]) -> None:
    assert re.fullmatch(r"Darkroom([A-Z][a-z]+)+", alert["alert"])
    assert alert["labels"]["severity"] in {"critical", "warning"}
    assert alert["annotations"].keys() == {"summary", "description"}
    assert all(text.endswith(".") for text in alert["annotations"].values())


def test_each_alert_has_a_case_in_which_it_is_raised() -> None:
    raised = set(re.findall(r"\bDarkroom\w+", CASES.read_text()))

    assert {alert["alert"] for alert in ALERTS} == raised


@pytest.mark.skipif(PROMTOOL is None, reason="promtool comes with Prometheus")
@pytest.mark.parametrize("words", [("check", RULES), ("test", CASES)], ids=lambda words: words[0])
def test_promtool_finds_the_rules_sound(words: tuple[str, Path]) -> None:
    what, file = words

    assert PROMTOOL
    said = subprocess.run([PROMTOOL, what, "rules", file], capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr


def test_panels_have_ids_of_their_own_and_do_not_overlap() -> None:
    places = [
        (panel["gridPos"]["x"] + x, panel["gridPos"]["y"] + y)
        for panel in PANELS
        for x in range(panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["h"])
    ]

    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    assert len(set(places)) == len(places)
    assert max(x for x, _ in places) < 24


def test_the_example_scrapes_with_a_key_and_by_the_rules_beside_it() -> None:
    example = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yaml").read_text())

    assert example["rule_files"] == [RULES.name]
    [job] = example["scrape_configs"]
    assert job["job_name"] == "darkroom"
    assert job["authorization"]["type"] == "Bearer"
