"""What a request would be, cost and be told, asked over HTTP without making it."""

from decimal import Decimal
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from core import job_ids
from core.bootstrap import Services
from core.orm import Job
from tests import builders
from tests.integration.api.envelope import error_of
from tests.integration.api.house import BODY, GENERATIONS


def preview(client: FlaskClient, key: str, *, query: str = "?dry_run=true", **changes: Any) -> TestResponse:
    return client.post(GENERATIONS + query, json={**BODY, **changes}, headers={"Authorization": f"Bearer {key}"})


@pytest.fixture
def key(services: Services) -> str:
    return builders.make_caller(services)[0]


def jobs(services: Services) -> int:
    with services.database.transaction() as session:
        return session.scalars(select(func.count()).select_from(Job)).one()


def test_a_dry_run_tells_all_and_makes_nothing(client: FlaskClient, services: Services, key: str) -> None:
    before = jobs(services)

    response = preview(client, key, n=3, quality="auto", user="ann")

    assert response.status_code == 200
    assert response.get_json() == {
        "object": "image.generation.dry_run",
        "request": {
            "model": "dall-e-2",
            "prompt": "a fox",
            "n": 3,
            "size": "256x256",
            "quality": "standard",
            "style": None,
            "response_format": "url",
            "extras": {},
        },
        "model": "dall-e-2",
        "provider": "openai",
        "upstream_model": "gpt-image-2",
        "dropped_parameters": ["user"],
        "unit_price_usd": "0.053",
        "price_usd": "0.159",
        "allowed": True,
        "refusal": None,
        "budget": {
            "cap_usd": None,
            "cap_a_day_usd": None,
            "cap_a_month_usd": None,
            "reserved_usd": "0",
            "spent_usd": "0",
            "left_usd": None,
        },
    }
    assert jobs(services) == before


def test_what_only_some_models_take_is_told_as_it_would_be_passed_on(client: FlaskClient, key: str) -> None:
    told = preview(client, key, model="dall-e-3", size="1024x1792", quality="hd", style="natural").get_json()

    assert (told["request"]["quality"], told["request"]["style"]) == ("hd", "natural")
    assert (told["unit_price_usd"], told["price_usd"]) == ("0.211", "0.211")


@pytest.mark.parametrize("word", ["true", "1"])
def test_a_dry_run_is_asked_for_in_the_address(
    client: FlaskClient, services: Services, key: str, word: str
) -> None:
    before = jobs(services)

    response = preview(client, key, query=f"?dry_run={word}&trace=abc")

    assert response.get_json()["object"] == "image.generation.dry_run"
    assert jobs(services) == before


@pytest.mark.parametrize("query", ["", "?trace=abc", "?dry_run=false", "?dry_run=0"])
def test_without_one_a_job_is_made(client: FlaskClient, services: Services, key: str, query: str) -> None:
    before = jobs(services)

    response = client.post(
        GENERATIONS + query,
        json=BODY,
        headers={"Authorization": f"Bearer {key}", "Prefer": "respond-async"},
    )

    assert response.status_code == 202
    assert jobs(services) == before + 1


@pytest.mark.parametrize("word", ["", "yes", "True", "2"])
def test_another_word_is_refused_before_anything_is_made(
    client: FlaskClient, services: Services, key: str, word: str
) -> None:
    before = jobs(services)

    response = preview(client, key, query=f"?dry_run={word}")

    assert response.status_code == 400
    error = error_of(response)
    assert (error["param"], error["code"]) == ("dry_run", "invalid_value")
    assert jobs(services) == before


def test_a_dry_run_needs_a_key(client: FlaskClient) -> None:
    assert client.post(f"{GENERATIONS}?dry_run=true", json=BODY).status_code == 401


@pytest.mark.parametrize("changes", [{"n": 11}, {"size": "32x32"}, {"prompt": ""}, {"seed": 1}, {"model": "x"}])
def test_a_dry_run_is_refused_as_the_request_would_be(
    client: FlaskClient, key: str, changes: dict[str, Any]
) -> None:
    dry, real = (preview(client, key, query=query, **changes) for query in ("?dry_run=true", ""))

    assert (dry.status_code, real.status_code) == (400, 400)
    assert error_of(dry) == error_of(real)


@pytest.mark.parametrize(
    ("limits", "refusal"),
    [
        ({"models": ("dall-e-3",)}, "model_not_allowed"),
        ({"cap": Decimal("0.10")}, "spend_cap_reached"),
        ({"cap_a_day": Decimal("0.10")}, "spend_cap_reached"),
        ({"cap_a_month": Decimal("0.10")}, "spend_cap_reached"),
        ({"cap": Decimal("0.106"), "requests_per_minute": 1}, None),
    ],
)
def test_a_dry_run_tells_what_the_key_would_be_told(
    client: FlaskClient, services: Services, limits: dict[str, Any], refusal: str | None
) -> None:
    key, _ = builders.make_caller(services, **limits)

    told = preview(client, key, n=2).get_json()
    answer = client.post(
        GENERATIONS,
        json={**BODY, "n": 2},
        headers={"Authorization": f"Bearer {key}", "Prefer": "respond-async"},
    )

    assert (told["allowed"], told["refusal"]) == (refusal is None, refusal)
    assert (answer.get_json()["error"] or {"code": None})["code"] == refusal


def test_a_key_with_enough_under_way_is_told_so(client: FlaskClient, services: Services) -> None:
    key, caller = builders.make_caller(services, most_in_flight=1)
    services.intake.submit(builders.make_submission(services, job_ids.new_job_id(), caller))

    assert preview(client, key).get_json()["refusal"] == "too_many_in_flight"


def test_a_dry_run_tells_what_is_left_of_the_budget(client: FlaskClient, services: Services) -> None:
    key, caller = builders.make_caller(services, cap=Decimal("5.00"), cap_a_month=Decimal(1))
    services.intake.submit(builders.make_submission(services, job_ids.new_job_id(), caller, n=2))

    assert preview(client, key).get_json()["budget"] == {
        "cap_usd": "5.00",
        "cap_a_day_usd": None,
        "cap_a_month_usd": "1",
        "reserved_usd": "0.106",
        "spent_usd": "0",
        "left_usd": "0.894",
    }
