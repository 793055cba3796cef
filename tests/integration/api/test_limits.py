"""What a key may, as its owner finds out over HTTP."""

import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import requests
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from api.auth import BELIEF_SECONDS
from api.limits import duration
from core import keys
from core.orm import Job
from tests import builders
from tests.integration.api import lives
from tests.integration.api.envelope import error_of
from tests.integration.api.house import BODY, GENERATIONS, House
from tests.stack import Stack, until

ASYNC = {"Prefer": "respond-async"}
FAST = {"requests_per_minute": 10, "pictures_per_minute": 20}


def ask(house: House, *, headers: dict[str, str] | None = None, **changes: Any) -> TestResponse:
    return house.ask(headers={**ASYNC, **(headers or {})}, **changes)


def rates(response: TestResponse) -> dict[str, str]:
    """The headers that tell of rates, without their common beginning, and how long until they are whole again."""
    told = {name.lower(): value for name, value in response.headers if name.lower().startswith("x-ratelimit-")}
    for name in [name for name in told if "reset" in name]:
        assert re.fullmatch(r"1m0s|[0-9]{1,2}s", told.pop(name))
    return {name.removeprefix("x-ratelimit-"): value for name, value in told.items()}


def jobs(house: House) -> int:
    with house.services.database.transaction() as session:
        return session.scalars(select(func.count()).where(Job.key_id == house.owner.key_id)).one()


def change(house: House, **limits: Any) -> None:
    with house.services.database.transaction() as session:
        assert keys.change(session, house.owner.key_id, limits)


def test_a_model_that_a_key_may_not_use_is_refused_before_anything_is_made(house: House) -> None:
    own = house.limited(models=("dall-e-3",), **FAST)

    response = ask(own)

    assert response.status_code == 403
    error = error_of(response)
    assert (error["type"], error["param"], error["code"]) == (
        "invalid_request_error",
        "model",
        "model_not_allowed",
    )
    assert response.headers["x-should-retry"] == "false"
    assert (rates(response), jobs(own)) == ({}, 0)
    assert ask(own, model="dall-e-3", size="1024x1024").status_code == 202


def test_a_key_sees_the_models_that_it_may_use(house: House) -> None:
    own = house.limited(models=("dall-e-3", "gone-since"))

    listed = own.call("/v1/models").get_json()["data"]

    assert [model["id"] for model in listed] == ["dall-e-3"]
    assert own.call("/v1/models/dall-e-3").status_code == 200
    forbidden, unknown = own.call("/v1/models/dall-e-2"), own.call("/v1/models/gone-since")
    assert (forbidden.status_code, unknown.status_code) == (404, 404)
    assert error_of(forbidden)["code"] == "model_not_found"


def test_a_key_whose_time_is_over_is_told_apart_from_a_wrong_one(house: House) -> None:
    assert house.call("/v1/models").status_code == 200

    change(house, expires_at=datetime.now(UTC))

    until(lambda: house.call("/v1/models").status_code == 401, "refusal", within=BELIEF_SECONDS + 1)
    assert error_of(ask(house))["code"] == "expired_api_key"


def test_answers_tell_what_is_left_of_a_keys_rates(house: House) -> None:
    own = house.limited(**FAST)

    first, second = ask(own, n=3), ask(own)

    assert (first.status_code, second.status_code) == (202, 202)
    assert rates(first) == {
        "limit-requests": "10",
        "remaining-requests": "9",
        "limit-images": "20",
        "remaining-images": "17",
    }
    assert (rates(second)["remaining-requests"], rates(second)["remaining-images"]) == ("8", "16")


def test_an_answer_with_pictures_tells_them_too(house: House) -> None:
    own = house.limited(requests_per_minute=5)

    def work(job_id: UUID) -> None:
        claim = builders.claim(own.services, job_id)
        lives.land(own.services, claim, 0)
        lives.complete(own.services, claim)

    response = own.while_asked(work)

    assert response.status_code == 200
    assert rates(response) == {"limit-requests": "5", "remaining-requests": "4"}


def test_a_key_without_rates_is_told_none(house: House) -> None:
    assert rates(ask(house)) == {}


def test_requests_beyond_the_rate_are_refused_and_told_when_to_come_again(house: House) -> None:
    own = house.limited(requests_per_minute=2)
    assert [ask(own).status_code for _ in range(2)] == [202, 202]

    refused = ask(own)

    assert refused.status_code == 429
    error = error_of(refused)
    assert (error["type"], error["code"]) == ("requests", "rate_limit_exceeded")
    assert str(error["message"]).startswith("Rate limit exceeded for requests per minute. Limit: 2/1min.")
    assert refused.headers["x-should-retry"] == "true"
    assert 0 < int(refused.headers["retry-after"]) <= 60
    assert 0 < int(refused.headers["retry-after-ms"]) <= 60_000
    assert rates(refused) == {"limit-requests": "2", "remaining-requests": "0"}
    assert jobs(own) == 2


def test_pictures_beyond_the_rate_are_refused_and_take_no_request(house: House) -> None:
    own = house.limited(requests_per_minute=5, pictures_per_minute=4)
    assert ask(own, n=3).status_code == 202

    refused = ask(own, n=2)

    assert refused.status_code == 429
    assert str(error_of(refused)["message"]).startswith(
        "Rate limit exceeded for images per minute. Limit: 4/1min."
    )
    assert (rates(refused)["remaining-requests"], rates(refused)["remaining-images"]) == ("4", "1")
    assert rates(ask(own))["remaining-requests"] == "3"


def test_more_pictures_than_a_minutes_can_never_be_asked_for_at_once(house: House) -> None:
    own = house.limited(pictures_per_minute=4)

    for query in ("", "?dry_run=true"):
        refused = own.app.test_client().post(GENERATIONS + query, json={**BODY, "n": 5}, headers=own.owner.headers)

        assert refused.status_code == 400
        error = error_of(refused)
        assert (error["param"], error["code"]) == ("n", "integer_above_max_value")
        assert str(error["message"]).startswith("Invalid 'n': integer above maximum value. Expected a value <= 4,")


def test_processes_share_the_rates_of_a_key(house: House) -> None:
    own = house.limited(requests_per_minute=3)
    other = own.changed()

    answers = [ask(each).status_code for each in (own, other, own, other, own)]

    assert answers == [202, 202, 202, 429, 429]


def test_a_served_process_keeps_to_a_rate_under_many_calls_at_once(
    house: House, environment: dict[str, str], tmp_path: Path
) -> None:
    key, _ = builders.make_caller(house.services, requests_per_minute=10, pictures_per_minute=100)
    headers = {"Authorization": f"Bearer {key}", **ASYNC}

    with Stack(tmp_path, environment, key=key) as stack, ThreadPoolExecutor(30) as callers:
        stack.start("api")
        asked = [
            callers.submit(requests.post, stack.url + GENERATIONS, json=BODY, headers=headers, timeout=30)
            for _ in range(60)
        ]
        answers = [call.result() for call in asked]

    assert Counter(answer.status_code for answer in answers) == {202: 10, 429: 50}
    left = [answer.headers["x-ratelimit-remaining-requests"] for answer in answers if answer.status_code == 202]
    assert min(map(int, left)) == 0


def test_what_makes_no_job_costs_nothing(house: House) -> None:
    own = house.limited(**FAST)
    named = {"Idempotency-Key": "mine"}
    first = ask(own, headers=named)

    replayed, invalid = ask(own, headers=named), ask(own, size="32x32")
    dry = own.app.test_client().post(f"{GENERATIONS}?dry_run=1", json=BODY, headers=own.owner.headers)

    assert [replayed.status_code, invalid.status_code, dry.status_code] == [202, 400, 200]
    assert replayed.headers["Location"] == first.headers["Location"]
    assert rates(replayed) == rates(invalid) == rates(dry) == {}
    assert rates(ask(own))["remaining-requests"] == "8"


def test_a_retry_that_finds_its_job_costs_nothing(house: House) -> None:
    own = house.limited(requests_per_minute=1).changed(wait_seconds=0.1)
    first = own.ask()
    assert first.status_code == 504

    again = own.ask(headers={"x-stainless-retry-count": "1"})

    assert (again.status_code, jobs(own)) == (504, 1)
    assert again.headers["darkroom-job"] == first.headers["darkroom-job"]


def test_a_changed_rate_holds_a_second_later(house: House) -> None:
    own = house.limited(requests_per_minute=1)
    assert [ask(own).status_code for _ in range(2)] == [202, 429]

    change(own, requests_per_minute=100)

    until(lambda: ask(own).status_code == 202, "the new rate", within=BELIEF_SECONDS + 1)


def test_without_redis_everybody_is_let_through(house: House) -> None:
    deaf = house.limited(requests_per_minute=1).changed(redis_url="redis://127.0.0.1:1")

    answers = [ask(deaf) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [202, 202, 202]
    assert rates(answers[0]) == {}


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (0.2, "1s"), (59, "59s"), (59.001, "1m0s"), (360, "6m0s")]
)
def test_durations_are_written_as_openai_writes_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text
