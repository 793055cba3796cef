"""What users of the official Python client see of our errors: its exceptions, and how often it asks."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import httpx2
import pytest
from openai import (
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    InternalServerError,
    NotFoundError,
    OpenAI,
    PermissionDeniedError,
    RateLimitError,
    UnprocessableEntityError,
)

from tests.integration.api.envelope import REQUEST_ID
from tests.integration.api.house import BODY, House

DEAD_POSTGRES = "postgresql+psycopg://darkroom@127.0.0.1:1/x"
ONCE, THREE_TIMES = ["0"], ["0", "1", "2"]


class Client(OpenAI):
    """An unmodified client that is led straight into the app, and notes what it sends."""

    def __init__(self, house: House, **options: Any) -> None:
        self.counts: list[str] = []
        http = httpx2.Client(transport=httpx2.WSGITransport(app=house.app), event_hooks={"request": [self._count]})
        key = house.owner.headers["Authorization"].removeprefix("Bearer ")
        super().__init__(**{"api_key": key, "base_url": "http://darkroom/v1", "http_client": http, **options})

    def _count(self, request: httpx2.Request) -> None:
        self.counts.append(request.headers["x-stainless-retry-count"])

    def ask(self, **changes: Any) -> None:
        self.images.generate(**{**BODY, **changes})


def refuse(client: Client, act: Callable[[Client], object], kind: type[APIStatusError]) -> APIStatusError:
    with pytest.raises(kind) as refused:
        act(client)
    assert REQUEST_ID.fullmatch(refused.value.request_id or "")
    return refused.value


@pytest.mark.parametrize(
    ("act", "kind", "fault"),
    [
        (lambda client: client.ask(n="2"), BadRequestError, ("invalid_type", "n")),
        (lambda client: client.ask(stream=True), BadRequestError, ("unknown_parameter", "stream")),
        (lambda client: client.ask(extra_body={"seed": 7}), BadRequestError, ("unknown_parameter", "seed")),
        (lambda client: client.ask(model="dall-e-4"), BadRequestError, ("invalid_value", "model")),
        (lambda client: client.ask(prompt=None), BadRequestError, ("invalid_type", "prompt")),
        (lambda client: client.models.retrieve("dall-e-4"), NotFoundError, ("model_not_found", "model")),
        (lambda client: client.models.retrieve("some/model"), NotFoundError, ("model_not_found", "model")),
    ],
)
def test_a_fault_is_raised_once_with_its_code_and_parameter(
    house: House, act: Callable[[Client], object], kind: type[APIStatusError], fault: tuple[str, str]
) -> None:
    client = Client(house)

    error = refuse(client, act, kind)

    assert (error.code, error.param) == fault
    assert client.counts == ONCE


def test_a_wrong_key_is_no_authentication(house: House) -> None:
    client = Client(house, api_key="sk-somebody-elses-key")

    error = refuse(client, Client.ask, AuthenticationError)

    assert error.code == "invalid_api_key"
    assert "sk-****-key" in error.message


@pytest.mark.parametrize(
    ("limits", "code"),
    [({"models": ("dall-e-3",)}, "model_not_allowed"), ({"cap": Decimal("0.01")}, "spend_cap_reached")],
)
def test_what_a_key_may_not_is_denied_once(house: House, limits: dict[str, Any], code: str) -> None:
    client = Client(house.limited(**limits))

    error = refuse(client, Client.ask, PermissionDeniedError)

    assert (error.code, client.counts) == (code, ONCE)


def test_a_key_sees_the_models_that_it_may_use(house: House) -> None:
    client = Client(house.limited(models=("dall-e-3",)))

    assert [model.id for model in client.models.list()] == ["dall-e-3"]
    refuse(client, lambda client: client.models.retrieve("dall-e-2"), NotFoundError)


def test_another_request_under_the_same_idempotency_key_is_refused_once(house: House) -> None:
    named = {"Idempotency-Key": "order-19"}
    house.record(**named)
    client = Client(house)

    error = refuse(client, lambda client: client.ask(extra_headers=named, n=2), UnprocessableEntityError)

    assert (error.code, client.counts) == ("idempotency_key_reused", ONCE)


def test_a_rate_is_a_rate_limit_that_says_when(house: House) -> None:
    hasty = house.limited(requests_per_minute=1)
    hasty.record()

    error = refuse(Client(hasty, max_retries=0), Client.ask, RateLimitError)

    assert (error.type, error.code) == ("requests", "rate_limit_exceeded")
    assert 1 <= int(error.response.headers["retry-after"]) <= 60


def test_a_call_that_waits_too_long_comes_back_to_its_one_job(house: House) -> None:
    hasty = house.changed(wait_seconds=0.1)
    client = Client(hasty)

    error = refuse(client, Client.ask, InternalServerError)

    [job_id] = hasty.job_ids()
    assert (error.status_code, error.code) == (504, "still_running")
    assert error.response.headers["darkroom-job"] == str(job_id)
    assert client.counts == THREE_TIMES


def test_a_call_that_started_nothing_is_sent_again(house: House) -> None:
    client = Client(house.changed(database_url=DEAD_POSTGRES))

    error = refuse(client, Client.ask, InternalServerError)

    assert (error.status_code, error.code) == (503, "temporarily_unavailable")
    assert client.counts == THREE_TIMES
