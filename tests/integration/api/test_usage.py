"""GET /v1/usage: what a key has used, as its owner reads it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from core import job_ids
from core.bootstrap import Services
from core.keys import Caller
from tests import builders
from tests.integration.api import lives
from tests.integration.api.envelope import error_of

NO_CAPS = {"cap_usd": None, "cap_a_day_usd": None, "cap_a_month_usd": None, "left_usd": None}


def read(client: FlaskClient, key: str, **query: str) -> TestResponse:
    return client.get("/v1/usage", query_string=query, headers={"Authorization": f"Bearer {key}"})


def submit(services: Services, caller: Caller, *, n: int = 1, days_ago: int = 0) -> UUID:
    """A job that came in so many days ago."""
    noise = job_ids.new_job_id().int % (1 << 80)
    moment = datetime.now(UTC) - timedelta(days=days_ago)
    job_id = UUID(int=int(moment.timestamp() * 1000) << 80 | noise)
    return services.intake.submit(builders.make_submission(services, job_id, caller, n=n))


def finish(services: Services, job_id: UUID, *, n: int) -> None:
    claim = builders.claim(services, job_id)
    lives.land(services, claim, *range(n))
    lives.complete(services, claim)


def row(*, days_ago: int = 0, **changes: Any) -> dict[str, Any]:
    """A day on which one picture was asked for."""
    day = datetime.now(UTC).date() - timedelta(days=days_ago)
    usual = {"jobs": 1, "pictures": 0, "cost_usd": "0", "reserved_usd": "0.053"}
    return {"date": day.isoformat(), "model": "dall-e-2", **usual, **changes}


def test_usage_tells_days_sums_and_the_budget(client: FlaskClient, services: Services) -> None:
    builders.register(services)
    key, caller = builders.make_caller(services, cap=Decimal("5.00"), cap_a_month=Decimal(1))
    finish(services, submit(services, caller, n=2, days_ago=3), n=2)
    submit(services, caller)

    response = read(client, key)

    assert response.status_code == 200
    assert response.get_json() == {
        "object": "list",
        "data": [row(days_ago=3, pictures=2, cost_usd="0.106", reserved_usd="0"), row()],
        "total_cost_usd": "0.106",
        "budget": {
            "cap_usd": "5.00",
            "cap_a_day_usd": None,
            "cap_a_month_usd": "1",
            "reserved_usd": "0.053",
            "spent_usd": "0.106",
            "left_usd": "0.841",
        },
    }


def test_a_key_that_used_nothing_is_told_so(client: FlaskClient, services: Services) -> None:
    key, _ = builders.make_caller(services)
    _, other = builders.make_caller(services)
    submit(services, other)

    told = read(client, key).get_json()

    assert (told["data"], told["total_cost_usd"]) == ([], "0")
    assert told["budget"] == {**NO_CAPS, "reserved_usd": "0", "spent_usd": "0"}


def test_the_last_thirty_days_are_told_unless_asked_otherwise(client: FlaskClient, services: Services) -> None:
    key, caller = builders.make_caller(services)
    for days_ago in (30, 29, 0):
        submit(services, caller, days_ago=days_ago)
    day = (datetime.now(UTC).date() - timedelta(days=30)).isoformat()

    assert read(client, key).get_json()["data"] == [row(days_ago=29), row()]
    assert read(client, key, start=day).get_json()["data"] == [row(days_ago=30), row(days_ago=29), row()]
    assert read(client, key, end=day).get_json()["data"] == [row(days_ago=30)]
    assert read(client, key, start=day, end=day).get_json()["data"] == [row(days_ago=30)]


def test_usage_can_be_asked_for_of_one_model(client: FlaskClient, services: Services) -> None:
    key, caller = builders.make_caller(services)
    submit(services, caller)

    assert read(client, key, model="dall-e-3").get_json()["data"] == []
    assert read(client, key, model="dall-e-2", start="").get_json()["data"] == [row()]


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"start": "yesterday"}, "start"),
        ({"end": "2026-02-30"}, "end"),
        ({"end": "20260131"}, "end"),
        ({"end": "2026-W05-6"}, "end"),
        ({"start": "0001-01-01"}, "start"),
        ({"end": "0001-01-01"}, "end"),
        ({"start": "2026-02-02", "end": "2026-02-01"}, "start"),
        ({"start": "2025-01-01", "end": "2026-01-02"}, "start"),
        ({"model": "a\0b"}, "model"),
    ],
)
def test_a_query_that_makes_no_sense_is_refused(
    client: FlaskClient, authorized: dict[str, str], query: dict[str, str], param: str
) -> None:
    response = client.get("/v1/usage", query_string=query, headers=authorized)

    assert response.status_code == 400
    error = error_of(response)
    assert (error["param"], error["code"]) == (param, "invalid_value")


def test_a_mistyped_parameter_is_refused_rather_than_ignored(
    client: FlaskClient, authorized: dict[str, str]
) -> None:
    response = client.get("/v1/usage?from=2026-01-01", headers=authorized)

    assert error_of(response)["code"] == "unknown_parameter"


@pytest.mark.parametrize(
    "query",
    [
        {"start": "2025-01-01", "end": "2026-01-01"},
        {"start": "9999-01-01", "end": "9999-12-31"},
        {"end": "1970-01-01"},
    ],
)
def test_any_year_can_be_asked_for(client: FlaskClient, authorized: dict[str, str], query: dict[str, str]) -> None:
    response = client.get("/v1/usage", query_string=query, headers=authorized)

    assert (response.status_code, response.get_json()["data"]) == (200, [])


def test_usage_needs_a_key(client: FlaskClient) -> None:
    assert client.get("/v1/usage").status_code == 401
