"""Calls that come a second time: by their SDK's own retry, or under a name of the caller's."""

from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from sqlalchemy import select, update

from core import idempotency
from core.errors import FailureKind
from core.orm import IdempotencyKey, Image
from tests import builders
from tests.integration.api import lives
from tests.integration.api.envelope import error_of
from tests.integration.api.house import BODY, GENERATIONS, House
from tests.tcp_proxy import TcpProxy

FIRST, RETRY, SECOND_RETRY = ({"x-stainless-retry-count": str(count)} for count in range(3))
NAMED = {"Idempotency-Key": "order-17"}


@pytest.fixture
def hasty(house: House) -> House:
    """Sends callers away at once."""
    return house.changed(wait_seconds=0.05)


def finish(house: House, job_id: UUID) -> None:
    claim = builders.claim(house.services, job_id)
    lives.land(house.services, claim, 0)
    lives.complete(house.services, claim)


def only_job(house: House) -> UUID:
    [job_id] = house.job_ids()
    return job_id


def test_an_sdk_that_was_sent_away_comes_back_to_its_picture(house: House, hasty: House) -> None:
    away = hasty.ask(headers=FIRST)
    finish(house, only_job(house))

    response = house.ask(headers=RETRY)

    assert (away.status_code, away.headers["x-should-retry"]) == (504, "true")
    assert away.headers["darkroom-job"] == response.headers["darkroom-job"] == str(only_job(house))
    assert response.status_code == 200


def test_an_sdk_may_be_sent_away_twice(house: House, hasty: House) -> None:
    hasty.ask(headers=FIRST)

    assert hasty.ask(headers=RETRY).headers["x-should-retry"] == "true"
    assert hasty.ask(headers=SECOND_RETRY).headers["darkroom-job"] == str(only_job(house))


@pytest.mark.parametrize("headers", [{}, FIRST, {"x-stainless-retry-count": "often"}])
def test_two_equal_calls_on_purpose_are_two_jobs(house: House, hasty: House, headers: dict[str, str]) -> None:
    hasty.ask(headers=headers)
    hasty.ask(headers=headers)

    assert len(house.job_ids()) == 2


def test_a_retry_of_another_body_is_another_call(house: House, hasty: House) -> None:
    hasty.ask(headers=FIRST)
    hasty.ask(headers=RETRY, prompt="another fox")

    assert len(house.job_ids()) == 2


def test_the_order_of_a_bodys_keys_is_of_no_account(house: House, hasty: House) -> None:
    for body, headers in ((BODY, FIRST), (dict(reversed(BODY.items())), RETRY)):
        hasty.app.test_client().post(GENERATIONS, json=body, headers={**house.owner.headers, **headers})

    only_job(house)


def test_a_retry_never_finds_the_job_of_another_key(house: House, hasty: House) -> None:
    hasty.ask(headers=FIRST)
    somebody = hasty.limited()

    somebody.ask(headers=RETRY)

    assert only_job(somebody) != only_job(house)


def test_a_key_may_do_without_being_found_again(hasty: House) -> None:
    deliberate = hasty.limited(reattaches=False)

    assert deliberate.ask(headers=FIRST).headers["x-should-retry"] == "false"
    deliberate.ask(headers=RETRY)

    assert len(deliberate.job_ids()) == 2


def test_a_client_that_does_not_count_is_not_told_to_come_again(hasty: House) -> None:
    response = hasty.ask()

    assert (response.status_code, error_of(response)["code"]) == (504, "still_running")
    assert response.headers["x-should-retry"] == "false"


def test_a_retry_that_finds_its_job_is_not_counted_against_any_rate(hasty: House) -> None:
    limited = hasty.limited(requests_per_minute=1)
    limited.ask(headers=FIRST)

    assert limited.ask(headers=RETRY).status_code == 504
    assert limited.ask(headers=FIRST).status_code == 429


@pytest.mark.parametrize("limit", ["requests_per_minute", "most_in_flight"])
def test_the_retry_of_a_refused_call_gets_no_other_calls_picture(house: House, limit: str) -> None:
    limited = house.limited(**{limit: 1})
    recorded = limited.ask(headers={**FIRST, "Prefer": "wait=0"})
    refused = limited.ask(headers=FIRST)

    refused_again = limited.ask(headers=RETRY)

    assert recorded.status_code == 202
    assert [(each.status_code, each.headers["x-should-retry"]) for each in (refused, refused_again)] == [
        (429, "true"),
        (429, "true"),
    ]


def test_a_refused_call_does_not_keep_a_lost_one_from_its_job(hasty: House) -> None:
    limited = hasty.limited(requests_per_minute=1)
    lost, refused = limited.ask(headers=FIRST), limited.ask(headers=FIRST)

    retries = [limited.ask(headers=RETRY) for _ in range(2)]

    assert (lost.status_code, refused.status_code) == (504, 429)
    assert [retry.status_code for retry in retries] == [504, 429]
    assert retries[0].headers["darkroom-job"] == lost.headers["darkroom-job"]


def test_a_retry_is_told_of_the_failure_that_it_missed(house: House, hasty: House) -> None:
    hasty.ask(headers=FIRST)
    lives.fail(house.services, builders.claim(house.services, only_job(house)), FailureKind.MODERATED)

    response = house.ask(headers=RETRY)

    assert (response.status_code, error_of(response)["code"]) == (400, "content_policy_violation")


def test_a_client_is_answered_before_its_own_patience_ends(house: House) -> None:
    response = house.ask(headers={**FIRST, "x-stainless-read-timeout": "0.2"})

    assert (response.status_code, response.headers["x-should-retry"]) == (504, "true")


@pytest.mark.parametrize("response_format", ["url", "b64_json"])
def test_a_name_gets_the_same_answer_byte_for_byte(house: House, response_format: str) -> None:
    first = house.while_asked(lambda job_id: finish(house, job_id), headers=NAMED, response_format=response_format)

    second = house.ask(headers=NAMED, response_format=response_format)

    assert (first.status_code, second.status_code) == (200, 200)
    assert first.data == second.data
    assert first.headers["darkroom-job"] == second.headers["darkroom-job"]
    if response_format == "b64_json":
        assert second.get_json()["data"] == [{"b64_json": b64encode(b"png 0").decode()}]


def test_a_name_gets_the_same_error(house: House) -> None:
    def fail(job_id: UUID) -> None:
        lives.fail(house.services, builders.claim(house.services, job_id), FailureKind.MODERATED)

    first = house.while_asked(fail, headers=NAMED)

    second = house.ask(headers=NAMED)

    assert (first.status_code, first.data) == (second.status_code, second.data)
    only_job(house)


def test_a_name_waits_for_the_job_that_goes_on(house: House, hasty: House) -> None:
    away = hasty.ask(headers=NAMED)

    response = house.while_asked(lambda job_id: finish(house, job_id), headers=NAMED)

    assert (away.status_code, away.headers["x-should-retry"]) == (504, "true")
    assert response.status_code == 200
    only_job(house)


def test_of_many_calls_at_once_with_one_name_one_makes_a_job(house: House, hasty: House) -> None:
    with ThreadPoolExecutor(8) as callers:
        answers = list(callers.map(lambda _: hasty.ask(headers=NAMED), range(8)))

    assert {answer.headers["darkroom-job"] for answer in answers} == {str(only_job(house))}


def test_a_name_stands_for_one_request_alone(house: House, hasty: House) -> None:
    hasty.ask(headers=NAMED)

    response = hasty.ask(headers=NAMED, prompt="another fox")

    assert (response.status_code, error_of(response)["code"]) == (422, "idempotency_key_reused")
    assert response.headers["x-should-retry"] == "false"
    only_job(house)


def test_a_refused_request_leaves_its_name_free(house: House, hasty: House) -> None:
    assert hasty.ask(headers=NAMED, size="32x32").status_code == 400

    assert hasty.ask(headers=NAMED).status_code == 504
    only_job(house)


def test_every_key_has_names_of_its_own(house: House, hasty: House) -> None:
    hasty.ask(headers=NAMED)
    somebody = hasty.limited()

    somebody.ask(headers=NAMED, prompt="another fox")

    assert only_job(somebody) != only_job(house)


def test_after_a_day_a_name_is_free(house: House, hasty: House) -> None:
    hasty.ask(headers=NAMED)
    a_day_ago = IdempotencyKey.created_at - timedelta(hours=24)
    with house.services.database.transaction() as session:
        session.execute(update(IdempotencyKey).values(created_at=a_day_ago))

    assert hasty.ask(headers=NAMED, prompt="another fox").status_code == 504
    assert hasty.ask(headers=NAMED, prompt="another fox").status_code == 504
    assert len(house.job_ids()) == 2


def test_pictures_that_have_expired_are_not_made_again(house: House) -> None:
    house.while_asked(lambda job_id: finish(house, job_id), headers=NAMED)
    with house.services.database.transaction() as session:
        session.execute(update(Image).values(expires_at=Image.created_at))

    response = house.ask(headers=NAMED)

    assert (response.status_code, error_of(response)["code"]) == (410, "pictures_expired")
    assert response.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("name", ["", "a b", "é", "n" * 256])
def test_what_is_no_name_is_refused(house: House, name: str) -> None:
    response = house.ask(headers={"Idempotency-Key": name})

    assert (response.status_code, error_of(response)["code"]) == (400, "invalid_value")
    assert house.job_ids() == []


def test_a_retry_without_a_name_does_not_take_a_named_job(house: House, hasty: House) -> None:
    hasty.ask(headers={**FIRST, **NAMED})
    hasty.ask(headers=RETRY)

    assert len(house.job_ids()) == 2


def test_an_answer_names_its_job_and_what_it_cost(house: House) -> None:
    response = house.while_asked(lambda job_id: finish(house, job_id))

    job: Any = builders.job_of(house.services, only_job(house))
    assert response.headers["darkroom-job"] == str(job.id)
    assert response.headers["darkroom-cost-usd"] == format(job.charged, "f")
    assert job.charged > 0


def test_the_retry_of_a_call_in_doubt_finds_the_job_that_was_recorded(house: House) -> None:
    url = urlsplit(house.services.settings.database_url)
    direct = f"{url.hostname}:{url.port}"
    line = TcpProxy(direct)
    doubtful = house.changed(database_url=house.services.settings.database_url.replace(direct, line.address))
    doubtful.call("/v1/models")  # a connection stands
    line.lose_answer_to(b"COMMIT", and_refuse=True)

    told = doubtful.ask(headers=FIRST)
    line.close()

    assert (told.status_code, error_of(told)["code"]) == (503, "outcome_unknown")
    assert told.headers["x-should-retry"] == "true"
    house.services.intake.start_due("openai")
    finish(house, only_job(house))
    assert house.ask(headers=RETRY).headers["darkroom-job"] == str(only_job(house))


def test_a_name_is_forgotten_after_its_day(house: House, hasty: House) -> None:
    hasty.ask(headers=NAMED)
    with house.services.database.transaction() as session:
        session.execute(update(IdempotencyKey).values(created_at=IdempotencyKey.created_at - timedelta(hours=25)))

    with house.services.database.transaction() as session:
        idempotency.forget(session)

    with house.services.database.single() as session:
        assert session.scalars(select(IdempotencyKey)).all() == []
