import re

import pytest
from flask.testing import FlaskClient

from tests.integration.api.envelope import REQUEST_ID, error_of

GENERATIONS, MODELS = "/v1/images/generations", "/v1/models"
OPENAIS = {"openai-version", "openai-processing-ms"}


@pytest.mark.parametrize("url", [MODELS, f"{MODELS}/dall-e-2", f"{MODELS}/nothing", "/v1/nowhere", GENERATIONS])
def test_an_answer_has_the_headers_of_openais(client: FlaskClient, authorized: dict[str, str], url: str) -> None:
    response = client.get(url, headers=authorized)

    assert REQUEST_ID.fullmatch(response.headers["x-request-id"])
    assert response.headers["openai-version"] == "2020-10-01"
    assert re.fullmatch(r"[0-9]+", response.headers["openai-processing-ms"])


def test_an_answer_to_nobody_tells_neither_version_nor_time(client: FlaskClient) -> None:
    response = client.get(MODELS)

    assert response.status_code == 401
    assert REQUEST_ID.fullmatch(response.headers["x-request-id"])
    assert not OPENAIS & set(map(str.lower, response.headers.keys()))


@pytest.mark.parametrize("url", ["/health/live", "/files/img-never.png", "/nowhere"])
def test_what_openai_has_not_looks_like_nothing_of_openais(client: FlaskClient, url: str) -> None:
    headers = client.get(url).headers

    assert not OPENAIS & set(map(str.lower, headers.keys()))
    assert "access-control-allow-origin" not in headers
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("url", [MODELS, "/v1/nowhere", "/health/live", "/files/img-never.png"])
def test_no_answer_sets_a_cookie(client: FlaskClient, authorized: dict[str, str], url: str) -> None:
    assert "set-cookie" not in client.get(url, headers=authorized).headers


@pytest.mark.parametrize(
    "url", [GENERATIONS, MODELS, f"{MODELS}/dall-e-2", "/v1/images/jobs/x/cancel", "/v1/no/where"]
)
def test_a_browser_may_ask_whatever_the_path(client: FlaskClient, url: str) -> None:
    asked = {
        "Origin": "https://shop.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,x-stainless-retry-count",
    }

    response = client.options(url, headers=asked)

    assert (response.status_code, response.data) == (200, b"")
    assert response.headers["access-control-allow-origin"] == "*"
    assert "POST" in response.headers["access-control-allow-methods"]
    assert response.headers["access-control-allow-headers"] == "authorization, *"
    assert response.headers["access-control-max-age"] == "86400"


@pytest.mark.parametrize("path", [MODELS, "/v1/nowhere"])
@pytest.mark.parametrize("known", [True, False])
def test_a_page_of_any_origin_may_read_every_answer(
    client: FlaskClient, authorized: dict[str, str], path: str, *, known: bool
) -> None:
    headers = client.get(path, headers={"Origin": "https://shop.example", **(authorized if known else {})}).headers

    assert (headers["access-control-allow-origin"], headers["access-control-expose-headers"]) == ("*", "*")
    assert "access-control-allow-credentials" not in headers


def test_other_paths_are_open_to_no_page(client: FlaskClient) -> None:
    response = client.options("/files/img-never.png", headers={"Origin": "https://shop.example"})

    assert not [name for name, _ in response.headers if name.lower().startswith("access-control-")]


def test_a_body_that_is_not_there_needs_no_content(client: FlaskClient, authorized: dict[str, str]) -> None:
    labelled = {**authorized, "Content-Type": "application/json"}

    assert client.get(MODELS, headers=labelled).status_code == 200
    cancelled = client.post("/v1/images/jobs/nothing/cancel", headers=labelled)
    assert (cancelled.status_code, error_of(cancelled)["code"]) == (404, "job_not_found")
