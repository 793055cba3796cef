from typing import Any

import pytest
from flask.testing import FlaskClient

from sandbox.simulators.openai import create_app

AUTHORIZED = {"Authorization": "Bearer any"}


@pytest.fixture
def browser() -> FlaskClient:
    return create_app(None).test_client()


def generate(browser: FlaskClient, prompt: str) -> None:
    body = {"prompt": prompt, "size": "256x256"}
    browser.post("/v1/images/generations", json=body, headers=AUTHORIZED)


def test_the_page_shows_prompts_escaped(browser: FlaskClient) -> None:
    generate(browser, "<script>alert(1)</script>")

    page = browser.get("/").text

    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script" not in page


def test_the_page_asks_nothing_of_other_hosts(browser: FlaskClient) -> None:
    page = browser.get("/")

    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "//" not in page.text


def test_the_state_tells_what_was_set_and_counted(browser: FlaskClient) -> None:
    generate(browser, "a fox")
    browser.post("/control/outcomes", json={"outcomes": ["drop", {"outcome": "empty", "times": 2}]})

    state = browser.get("/control/state").get_json()

    assert state["script"] == ["drop", "empty", "empty"]
    assert (state["requests"], state["charges"], state["in_flight"]) == (1, 1, 0)


def test_a_latency_is_one_figure_or_a_range(browser: FlaskClient) -> None:
    fixed = browser.put("/control/latency", json={"seconds": 2}).get_json()["latency"]
    ranged = browser.put("/control/latency", json={"min": 0.5, "max": 1}).get_json()["latency"]

    assert (fixed["minimum"], fixed["maximum"]) == (2, 2)
    assert (ranged["minimum"], ranged["maximum"]) == (0.5, 1)


def test_the_forms_do_what_the_json_does_and_lead_back_to_the_page(browser: FlaskClient) -> None:
    answers = [
        browser.post("/control/outcomes", data={"outcome": "drop", "times": "3"}),
        browser.post("/control/latency", data={"min": "1.5", "max": "2", "body_seconds": ""}),
        browser.post("/control/clock", data={"advance_seconds": "60"}),
    ]

    state = browser.get("/control/state").get_json()
    assert [(answer.status_code, answer.location) for answer in answers] == [(303, "/")] * 3
    assert state["script"] == ["drop"] * 3
    assert (state["latency"]["minimum"], state["latency"]["body_seconds"]) == (1.5, 5)
    assert state["clock_advanced_seconds"] == 60


@pytest.mark.parametrize("reset", [("DELETE", "/control"), ("POST", "/control/reset")])
def test_a_reset_forgets_everything(browser: FlaskClient, reset: tuple[str, str]) -> None:
    fresh = browser.get("/control/state").get_json()
    generate(browser, "a fox")
    browser.put("/control/latency", json={"seconds": 9})
    browser.post("/control/outcomes", json={"outcomes": ["drop"]})

    state = browser.open(reset[1], method=reset[0]).get_json()

    assert state == {**fresh, "now": state["now"]}


@pytest.mark.parametrize(
    ("address", "body"),
    [
        ("/control/outcomes", {"outcomes": ["nonsense"]}),
        ("/control/outcomes", {"outcomes": "drop"}),
        ("/control/outcomes", {"outcomes": [{"outcome": "drop", "times": "many"}]}),
        ("/control/latency", {"seconds": "long"}),
        ("/control/latency", {"seconds": -1}),
        ("/control/clock", {"advance_seconds": None}),
        ("/control/clock", ["x"]),
    ],
)
def test_what_makes_no_sense_is_refused(browser: FlaskClient, address: str, body: Any) -> None:
    answer = browser.post(address, json=body)

    assert answer.status_code == 400
    assert answer.get_json()["error"]
