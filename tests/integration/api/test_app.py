import socket
import threading
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from structlog.testing import capture_logs

from api.auth import BELIEF_SECONDS
from core import keys
from core.bootstrap import Services
from core.catalog import Catalog
from core.orm import Job
from core.states import JobState
from tests import builders
from tests.integration.api.envelope import REQUEST_ID, error_of
from tests.stack import until

GENERATIONS, MODELS_URL = "/v1/images/generations", "/v1/models"
BODY = {"model": "dall-e-2", "prompt": "a fox", "size": "256x256"}
DEAD = "127.0.0.1:1"
DEAD_POSTGRES, DEAD_REDIS, DEAD_STORE = (
    f"postgresql+psycopg://darkroom@{DEAD}/x",
    f"redis://{DEAD}",
    f"http://{DEAD}",
)
ClientWith = Callable[..., FlaskClient]


@pytest.fixture
def mute() -> Iterator[str]:
    """The address of a server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    # Whoever still listens to it has heard now that it is gone; their services are about to be closed.
    for thread in threading.enumerate():
        if thread.name.startswith("probe-"):
            thread.join(timeout=10)


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer "}, {"Authorization": "Basic c2stMTIz"}])
@pytest.mark.parametrize(("method", "url"), [("POST", GENERATIONS), ("GET", MODELS_URL), ("GET", "/v1/models/x")])
def test_no_v1_url_answers_without_a_key(
    client: FlaskClient, method: str, url: str, header: dict[str, str]
) -> None:
    response = client.open(url, method=method, headers=header)

    assert response.status_code == 401
    error = error_of(response)
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", None, None)
    assert response.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        ("sk-proj-abcdefghijklMxYA", "sk-****MxYA"),
        ("sk-short", "****"),
        ("schlüssel-ohne-schloss", "****"),
        ("sk with spaces and more", "sk ****more"),
    ],
)
def test_a_wrong_key_is_told_masked(client: FlaskClient, key: str, shown: str) -> None:
    with capture_logs() as logs:
        response = client.get(MODELS_URL, headers={"Authorization": f"Bearer {key}"})

    assert response.status_code == 401
    error = error_of(response)
    assert (error["message"], error["code"]) == (f"Incorrect API key provided: {shown}.", "invalid_api_key")
    assert key not in response.text + str(response.headers) + str(logs)


def test_a_revoked_key_is_a_wrong_key_a_second_later(client: FlaskClient, services: Services) -> None:
    key, caller = builders.make_caller(services)
    headers = {"Authorization": f"Bearer {key}"}
    assert client.get(MODELS_URL, headers=headers).status_code == 200

    with services.database.transaction() as session:
        assert keys.revoke(session, caller.key_id)

    until(lambda: client.get(MODELS_URL, headers=headers).status_code == 401, "refusal", within=BELIEF_SECONDS + 1)
    assert error_of(client.get(MODELS_URL, headers=headers))["code"] == "invalid_api_key"


def test_the_word_bearer_may_be_written_as_one_likes(client: FlaskClient, services: Services) -> None:
    key, _ = builders.make_caller(services)

    assert client.get(MODELS_URL, headers={"Authorization": f"bearer  {key} "}).status_code == 200


@pytest.mark.parametrize("url", ["/", "/v1", "/v2/models", "/v1/images/generations/", "/v1/models/", "/%00"])
def test_an_unknown_url_is_told(client: FlaskClient, url: str) -> None:
    response = client.get(url)

    assert response.status_code == 404
    error = error_of(response)
    assert str(error["message"]).startswith("Invalid URL (GET /")
    assert (error["type"], error["code"]) == ("invalid_request_error", None)


@pytest.mark.parametrize(
    ("method", "url", "allowed"),
    [
        ("GET", GENERATIONS, {"POST"}),
        ("POST", MODELS_URL, {"GET", "HEAD"}),
        ("DELETE", "/files/x.png", {"GET", "HEAD"}),
    ],
)
def test_a_wrong_method_is_told_the_right_ones(
    client: FlaskClient, method: str, url: str, allowed: set[str]
) -> None:
    response = client.open(url, method=method)

    assert response.status_code == 405
    assert error_of(response)["message"] == f"Not allowed to {method} on {url}."
    assert {word.strip() for word in response.headers["Allow"].split(",")} == {*allowed, "OPTIONS"}


def test_a_body_beyond_a_mebibyte_is_too_large(client: FlaskClient, authorized: dict[str, str]) -> None:
    response = client.post(GENERATIONS, json={"prompt": "x" * 1024 * 1024}, headers=authorized)

    assert response.status_code == 413
    assert error_of(response)["message"] == "The request body is too large."


def test_a_body_that_does_not_say_its_length_is_measured(client: FlaskClient, authorized: dict[str, str]) -> None:
    def send(body: str) -> int:
        response = client.post(
            GENERATIONS,
            input_stream=BytesIO(body.encode()),
            content_type="application/json",
            environ_overrides={"wsgi.input_terminated": True},
            headers=authorized,
        )
        error_of(response)
        return response.status_code

    assert send('{"prompt": ""}') == 400
    assert send('{"prompt": "' + "x" * 2 * 1024 * 1024 + '"}') == 413


@pytest.mark.parametrize("body", ["{", "", "[" * 100_000])
def test_broken_json_is_a_bad_request(client: FlaskClient, authorized: dict[str, str], body: str) -> None:
    response = client.post(GENERATIONS, data=body, content_type="application/json", headers=authorized)

    assert response.status_code == 400
    assert str(error_of(response)["message"]).startswith("We could not parse the JSON body")
    assert response.headers["x-should-retry"] == "false"


def test_a_refused_parameter_is_named_in_the_envelope(client: FlaskClient, authorized: dict[str, str]) -> None:
    response = client.post(GENERATIONS, json={**BODY, "\ud800": 1}, headers=authorized)

    assert response.status_code == 400
    error = error_of(response)
    assert (error["code"], error["param"]) == ("unknown_parameter", "\ud800")


def test_a_bug_is_an_envelope_that_tells_nothing_and_a_log_line_that_tells_all(app: Flask) -> None:
    @app.get("/bug")
    def bug() -> str:
        raise KeyError("hush")

    with capture_logs() as logs:
        response = app.test_client().get("/bug")

    assert response.status_code == 500
    assert (error_of(response)["type"], response.headers["x-should-retry"]) == ("server_error", "false")
    assert "hush" not in response.text
    (crash,) = [line for line in logs if line["event"] == "request.crashed"]
    assert isinstance(crash["exc_info"], KeyError)


def test_every_answer_has_a_request_id_of_its_own(client: FlaskClient) -> None:
    answers = [client.get(url) for url in ("/health/live", "/health/live", "/nowhere", MODELS_URL, "/files/x.png")]

    ids = {answer.headers["x-request-id"] for answer in answers}
    assert len(ids) == len(answers)
    assert all(map(REQUEST_ID.fullmatch, ids))


def test_the_models_are_listed_in_the_contracts_form(client: FlaskClient, authorized: dict[str, str]) -> None:
    listed = client.get(MODELS_URL, headers=authorized).get_json()

    assert listed["object"] == "list"
    assert {model["id"] for model in listed["data"]} == {
        model.id for model in Catalog.load(None, {"openai"}).models
    }
    dall_e_3 = {"id": "dall-e-3", "object": "model", "created": 1698785189, "owned_by": "system"}
    assert dall_e_3 in listed["data"]
    assert client.get(f"{MODELS_URL}/dall-e-3", headers=authorized).get_json() == dall_e_3


@pytest.mark.parametrize("name", ["dall-e-4", "some%2Fone", "some/one", "%00"])
def test_an_unknown_model_is_not_found(client: FlaskClient, authorized: dict[str, str], name: str) -> None:
    response = client.get(f"{MODELS_URL}/{name}", headers=authorized)

    assert response.status_code == 404
    error = error_of(response)
    assert (error["code"], error["param"]) == ("model_not_found", "model")


def test_a_model_whose_provider_has_no_key_is_absent(client_with: ClientWith, authorized: dict[str, str]) -> None:
    client = client_with(openai_api_key=None)

    assert client.get(MODELS_URL, headers=authorized).get_json() == {"object": "list", "data": []}
    assert client.get(f"{MODELS_URL}/dall-e-3", headers=authorized).status_code == 404
    assert client.post(GENERATIONS, json=BODY, headers=authorized).status_code == 400


def test_a_process_that_answers_is_alive_whatever_it_leans_on(client_with: ClientWith) -> None:
    client = client_with(database_url=DEAD_POSTGRES, redis_url=DEAD_REDIS, s3_endpoint=DEAD_STORE)

    response = client.get("/health/live")

    assert (response.status_code, response.get_json()) == (200, {"status": "ok"})


def test_readiness_names_each_dependency_and_its_latency(client: FlaskClient) -> None:
    response = client.get("/health/ready")

    health = response.get_json()
    assert (response.status_code, health["status"]) == (200, "ok")
    assert set(health["dependencies"]) == {"postgres", "redis", "store"}
    assert all(part["status"] == "ok" for part in health["dependencies"].values())
    assert all(0 < part["milliseconds"] < 3000 for part in health["dependencies"].values())


@pytest.mark.parametrize(
    ("changes", "name", "answer"),
    [
        ({"database_url": DEAD_POSTGRES}, "postgres", (503, "unavailable")),
        ({"redis_url": DEAD_REDIS}, "redis", (200, "degraded")),
        ({"s3_endpoint": DEAD_STORE}, "store", (200, "degraded")),
        ({"s3_bucket": "gone"}, "store", (200, "degraded")),
    ],
)
def test_requests_are_taken_as_long_as_postgres_can_record_them(
    client_with: ClientWith, changes: dict[str, str], name: str, answer: tuple[int, str]
) -> None:
    response = client_with(**changes).get("/health/ready")

    health = response.get_json()
    assert (response.status_code, health["status"]) == answer
    assert [part for part, state in health["dependencies"].items() if state["status"] != "ok"] == [name]
    assert DEAD not in response.text


def test_readiness_does_not_wait_for_a_server_that_stays_mute(client_with: ClientWith, mute: str) -> None:
    postgres, redis, store = f"postgresql+psycopg://darkroom@{mute}/x", f"redis://{mute}", f"http://{mute}"
    client = client_with(database_url=postgres, redis_url=redis, s3_endpoint=store)
    began = time.monotonic()

    response = client.get("/health/ready")

    assert time.monotonic() - began < 4.5
    assert (response.status_code, response.get_json()["status"]) == (503, "unavailable")
    late = {"status": "unavailable", "error": "TimeoutError"}
    assert response.get_json()["dependencies"] == {"postgres": late, "redis": late, "store": late}


def test_without_postgres_nothing_is_started_and_the_client_may_come_again(client_with: ClientWith) -> None:
    client = client_with(database_url=DEAD_POSTGRES)

    response = client.post(GENERATIONS, json=BODY, headers={"Authorization": "Bearer sk-darkroom-any"})

    assert response.status_code == 503
    assert error_of(response)["type"] == "server_error"
    assert (response.headers["x-should-retry"], response.headers["Retry-After"]) == ("true", "1")
    assert "127.0.0.1" not in response.text


def test_without_redis_the_job_is_recorded_and_must_not_be_sent_again(
    client_with: ClientWith, services: Services, authorized: dict[str, str]
) -> None:
    builders.register(services)
    client = client_with(redis_url=DEAD_REDIS, wait_seconds=0.2)

    response = client.post(GENERATIONS, json=BODY, headers=authorized)

    assert (response.status_code, error_of(response)["code"]) == (504, "still_running")
    assert response.headers["x-should-retry"] == "false"
    assert isinstance(only_job(services).id, UUID)
    assert only_job(services).state is JobState.DISPATCHED
    assert only_job(services).request_id == response.headers["x-request-id"]


def only_job(services: Services) -> Job:
    with services.database.transaction() as session:
        return session.scalars(select(Job)).one()
