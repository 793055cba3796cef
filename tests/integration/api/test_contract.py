"""Every row of docs/errors.md is provoked through the real app, in the order of the page."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from api.errors import Restarting, Unsure
from core import keys
from core.errors import FailureKind, IntakeInDoubt
from core.images import Picture
from core.orm import Batch, Image
from core.webhooks import MOST_OF_A_KEY
from tests import builders, errors_page
from tests.errors_page import Kind
from tests.integration.api import lives
from tests.integration.api.envelope import error_of
from tests.integration.api.house import GENERATIONS, House

JOBS, GPT = "/v1/images/jobs", "gpt-image-2"
DEAD_POSTGRES = "postgresql+psycopg://darkroom@127.0.0.1:1/x"
INVALID, IMAGE, SERVER = "invalid_request_error", "image_generation_user_error", "server_error"
NEVER = UUID(int=0)


@pytest.fixture
def house(house: House, tmp_path: Path) -> House:
    """With a model of OpenAI's newer family on offer."""
    own = tmp_path / "own.toml"
    own.write_text(f"models.{GPT}.enabled = true")
    return house.changed(catalog=str(own))


Provoke = Callable[[House], TestResponse]


def failing(kind: FailureKind) -> Provoke:
    def provoke(house: House) -> TestResponse:
        return house.while_asked(
            lambda job_id: lives.fail(house.services, builders.claim(house.services, job_id), kind)
        )

    return provoke


def with_an_expired_key(house: House) -> TestResponse:
    with house.services.database.transaction() as session:
        keys.change(session, house.owner.key_id, {"expires_at": builders.now(session)})
    return house.call("/v1/models")


def of_an_expired_picture(house: House) -> TestResponse:
    name = house.finished()
    expire(house)
    return house.call(f"/files/{name}")


def expire(house: House) -> None:
    with house.services.database.transaction() as session:
        session.execute(update(Image).values(expires_at=Image.expires_at - timedelta(hours=2)))


def of_a_cancelled_job(house: House) -> TestResponse:
    return house.while_asked(lambda job_id: house.call(f"{JOBS}/{job_id}/cancel", "POST"))


def cancelling_what_has_ended(house: House) -> TestResponse:
    claim = builders.claim(house.services, house.record())
    lives.complete(house.services, claim)
    return house.call(f"{JOBS}/{claim.job_id}/cancel", "POST")


def retrying_what_has_not_ended(house: House) -> TestResponse:
    asked = {"input_file_id": "file-1", "endpoint": GENERATIONS, "completion_window": "24h"}
    made = house.app.test_client().post("/v1/batches", json=asked, headers=house.owner.headers)
    return house.call(f"/v1/batches/{made.get_json()['id']}/retry", "POST")


def retrying_what_is_forgotten(house: House) -> TestResponse:
    retrying_what_has_not_ended(house)
    with house.services.database.transaction() as session:
        batch = session.scalars(select(Batch).order_by(Batch.created_at.desc()).limit(1)).one()
        batch.total = batch.failed = 1
        batch.ended_at = batch.created_at
        batch_id = batch.id
    return house.call(f"/v1/batches/{batch_id}/retry", "POST")


def replaying_what_has_expired(house: House) -> TestResponse:
    named = {"Idempotency-Key": "order-17"}
    claim = builders.claim(house.services, house.record(**named))
    lives.land(house.services, claim, 0)
    lives.complete(house.services, claim)
    expire(house)
    return house.ask(headers=named)


def reusing_an_idempotency_key(house: House) -> TestResponse:
    named = {"Idempotency-Key": "order-18"}
    house.record(**named)
    return house.ask(prompt="another fox", headers=named)


def registering_too_many_webhooks(house: House) -> TestResponse:
    client = house.app.test_client()
    asked = [
        client.post("/v1/webhooks", json={"url": "https://example.com"}, headers=house.owner.headers)
        for _ in range(MOST_OF_A_KEY + 1)
    ]
    return asked[-1]


def past_the_rate(house: House) -> TestResponse:
    hasty = house.limited(requests_per_minute=1)
    hasty.record()
    return hasty.ask()


def beyond_what_may_be_in_flight(house: House) -> TestResponse:
    busy = house.limited(most_in_flight=1)
    busy.record()
    return busy.ask()


def of_a_picture_that_the_store_lost(house: House) -> TestResponse:
    def complete_and_lose(job_id: UUID) -> None:
        claim = builders.claim(house.services, job_id)
        with house.services.database.transaction() as session:
            builders.record(
                session, claim, Picture(position=0, png=b"png", revised_prompt=None), "never/stored.png"
            )
        lives.complete(house.services, claim)

    return house.while_asked(complete_and_lose, response_format="b64_json")


def raising(error: Exception) -> Provoke:
    """What takes a server that dies at the right moment."""

    def provoke(house: House) -> TestResponse:
        @house.app.get("/v1/raise")
        def fail() -> str:
            raise error

        return house.call("/v1/raise")

    return provoke


def body(**changes: Any) -> Provoke:
    return lambda house: house.ask(**changes)


PROVOKED: dict[Kind, Provoke] = {
    Kind(400, INVALID, None, retry=False): lambda house: house.send("{"),
    Kind(400, INVALID, "unknown_parameter", retry=False): body(stream=True),
    Kind(400, INVALID, "missing_required_parameter", retry=False): lambda house: house.send("{}"),
    Kind(400, INVALID, "invalid_type", retry=False): body(n="2"),
    Kind(400, INVALID, "invalid_value", retry=False): body(quality="hd"),
    Kind(400, INVALID, "invalid_size", retry=False): body(size="1792x1024"),
    Kind(400, INVALID, "empty_string", retry=False): body(prompt=""),
    Kind(400, INVALID, "string_above_max_length", retry=False): body(prompt="x" * 1001),
    Kind(400, INVALID, "integer_below_min_value", retry=False): body(n=0),
    Kind(400, INVALID, "integer_above_max_value", retry=False): body(n=11),
    Kind(400, INVALID, "object_above_max_properties", retry=False): body(metadata={str(n): "" for n in range(17)}),
    Kind(400, INVALID, "property_name_above_max_length", retry=False): body(metadata={"k" * 65: ""}),
    Kind(400, IMAGE, "invalid_value", retry=False): body(model="dall-e-4"),
    Kind(400, IMAGE, "invalid_png_output_compression", retry=False): body(
        model=GPT, size="auto", output_compression=80
    ),
    Kind(400, INVALID, "content_policy_violation", retry=False): failing(FailureKind.MODERATED),
    Kind(401, INVALID, None, retry=False): lambda house: house.app.test_client().get("/v1/models"),
    Kind(401, INVALID, "invalid_api_key", retry=False): lambda house: house.call(
        "/v1/models", Authorization="Bearer sk-wrong"
    ),
    Kind(401, INVALID, "expired_api_key", retry=False): with_an_expired_key,
    Kind(403, INVALID, "admin_key_required", retry=False): lambda house: house.call("/v1/ops/stats"),
    Kind(403, INVALID, "model_not_allowed", retry=False): lambda house: house.limited(models=("dall-e-3",)).ask(),
    Kind(403, "insufficient_quota", "spend_cap_reached", retry=False): lambda house: house.limited(
        cap_a_day=Decimal("0.01")
    ).ask(),
    Kind(403, INVALID, "picture_expired", retry=False): of_an_expired_picture,
    Kind(404, INVALID, None, retry=False): lambda house: house.call("/v1/nowhere"),
    Kind(404, INVALID, "model_not_found", retry=False): lambda house: house.call("/v1/models/dall-e-4"),
    Kind(404, INVALID, "job_not_found", retry=False): lambda house: house.call(f"{JOBS}/{NEVER}"),
    Kind(404, INVALID, "batch_not_found", retry=False): lambda house: house.call("/v1/batches/batch_1"),
    Kind(404, INVALID, "webhook_not_found", retry=False): lambda house: house.call(f"/v1/webhooks/{NEVER}"),
    Kind(404, INVALID, "delivery_not_found", retry=False): lambda house: house.call(
        "/v1/webhooks/deliveries/msg_1"
    ),
    Kind(404, INVALID, "picture_not_found", retry=False): lambda house: house.call("/files/img-never.png"),
    Kind(405, INVALID, None, retry=False): lambda house: house.call(GENERATIONS),
    Kind(409, INVALID, "job_cancelled", retry=False): of_a_cancelled_job,
    Kind(409, INVALID, "job_settled", retry=False): cancelling_what_has_ended,
    Kind(409, INVALID, "batch_status", retry=False): retrying_what_has_not_ended,
    Kind(409, INVALID, "prompts_forgotten", retry=False): retrying_what_is_forgotten,
    Kind(409, INVALID, "too_many_webhooks", retry=False): registering_too_many_webhooks,
    Kind(410, INVALID, "pictures_expired", retry=False): replaying_what_has_expired,
    Kind(413, INVALID, None, retry=False): body(prompt="x" * 1024 * 1024),
    Kind(416, INVALID, None, retry=False): lambda house: house.call(
        f"/files/{house.finished()}", Range="bytes=999-"
    ),
    Kind(422, INVALID, "idempotency_key_reused", retry=False): reusing_an_idempotency_key,
    Kind(429, "requests", "rate_limit_exceeded", retry=True): past_the_rate,
    Kind(429, "requests", "too_many_in_flight", retry=True): beyond_what_may_be_in_flight,
    Kind(429, "requests", "rate_limit_exceeded", retry=False): failing(FailureKind.THROTTLED),
    Kind(500, SERVER, "server_error", retry=False): raising(KeyError("hush")),
    Kind(500, SERVER, "internal_error", retry=False): failing(FailureKind.INTERNAL),
    Kind(500, SERVER, "worker_lost", retry=False): failing(FailureKind.LOST),
    Kind(500, SERVER, "provider_misconfigured", retry=False): failing(FailureKind.MISCONFIGURED),
    Kind(502, SERVER, "provider_outcome_unknown", retry=False): failing(FailureKind.UNKNOWN),
    Kind(503, SERVER, "temporarily_unavailable", retry=True): lambda house: house.changed(
        database_url=DEAD_POSTGRES
    ).ask(),
    Kind(503, SERVER, "outcome_unknown", retry=True): raising(Unsure()),
    Kind(503, SERVER, "outcome_unknown", retry=False): raising(IntakeInDoubt()),
    Kind(503, SERVER, "provider_unavailable", retry=False): failing(FailureKind.UNAVAILABLE),
    Kind(503, SERVER, "store_unavailable", retry=False): of_a_picture_that_the_store_lost,
    Kind(503, SERVER, "restarting", retry=True): raising(Restarting(NEVER, retry=True)),
    Kind(504, SERVER, "still_running", retry=True): lambda house: house.changed(wait_seconds=0.1).ask(
        headers={"x-stainless-retry-count": "0"}
    ),
    Kind(504, SERVER, "still_running", retry=False): lambda house: house.changed(wait_seconds=0.1).ask(),
}


@pytest.mark.parametrize(
    ("kind", "param"), errors_page.rows(), ids=lambda each: "-".join(map(str, each)) if each else ""
)
def test_an_error_is_told_as_the_page_says(house: House, kind: Kind, param: str | None) -> None:
    response = PROVOKED[kind](house)

    error = error_of(response)
    assert Kind(response.status_code, str(error["type"]), error["code"], is_retried(response)) == kind
    assert error["param"] == param or (param == errors_page.NAMED and error["param"])


def is_retried(response: TestResponse) -> bool:
    """What SDKs make of an answer that has to say it, and when; proxies and others have to be told the same."""
    retried = response.headers["x-should-retry"] == "true"
    waits = [response.headers.get(name) for name in ("retry-after", "retry-after-ms")]
    if not retried:
        assert response.headers["x-should-retry"] == "false"
        assert waits == [None, None]
        return False
    seconds, milliseconds = map(int, filter(None, waits))
    assert 1 <= seconds <= 60
    assert 1 <= milliseconds <= seconds * 1000
    return True


def test_every_row_of_the_page_is_provoked_here() -> None:
    assert list(PROVOKED) == [kind for kind, _ in errors_page.rows()]
