import io
import re
from base64 import b64decode
from typing import Any

import pytest
from flask.testing import FlaskClient
from PIL import Image, ImageFilter, ImageStat
from urllib3 import encode_multipart_formdata
from werkzeug.test import TestResponse

from sandbox.simulators.stability import LARGEST_BODY, create_app
from sandbox.simulators.stability_errors import REFUSALS

KEY = "sk-sandbox-0123456789abcd"
AUTHORIZED = {"Authorization": f"Bearer {KEY}"}
GENERATE = "/v2beta/stable-image/generate"
WHERE_KEYS_ARE = "You can find your API key at https://stability.ai."
REFUSED = [
    ("bad_request", 400, "bad_request", "is required"),
    ("unauthorized", 401, "unauthorized", "authorization: invalid or missing header value"),
    ("payment_required", 402, "payment_required", "You lack sufficient credits to make this request."),
    ("payment_required_as_403", 403, "payment_required", "You lack sufficient credits"),
    ("content_moderation", 403, "content_moderation", "denied and you were not charged"),
    ("not_found", 404, "not_found", "could not be found"),
    ("payload_too_large", 413, "payload_too_large", "body: payloads cannot be larger than 10MiB in size"),
    ("content_too_large", 413, "content_too_large", "body: payloads cannot be larger than 10MiB in size"),
    ("invalid_language", 422, "invalid_language", "English"),
    ("invalid_prompt", 422, "invalid_prompt", "prompt"),
    ("rate_limit_exceeded", 429, "rate_limit_exceeded", "150 requests within a 10 second period"),
    ("rate_limit_with_retry_after", 429, "rate_limit_exceeded", "timed out for 60 seconds."),
    ("internal_error", 500, "internal_error", "An unexpected server error has occurred"),
    ("service_unavailable", 503, "service_unavailable", "unavailable"),
]


@pytest.fixture
def client() -> FlaskClient:
    return create_app(KEY).test_client()


def generate(client: FlaskClient, endpoint: str = "sd3", accept: str = "image/*", **fields: Any) -> TestResponse:
    return client.post(
        f"{GENERATE}/{endpoint}",
        data={"prompt": "a red fox", **fields},
        content_type="multipart/form-data",
        headers={**AUTHORIZED, "Accept": accept},
    )


def opened(body: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(body))
    image.load()
    return image


def charges(client: FlaskClient) -> list[dict[str, Any]]:
    charged: list[dict[str, Any]] = client.get("/control/charges").get_json()
    return charged


def test_bytes_come_with_their_facts_among_the_headers(client: FlaskClient) -> None:
    answer = generate(client, seed="7", output_format="jpeg")

    image = opened(answer.data)
    assert (answer.status_code, answer.content_type) == (200, "image/jpeg")
    assert (image.format, image.size) == ("JPEG", (1024, 1024))
    assert (answer.headers["finish-reason"], answer.headers["seed"]) == ("SUCCESS", "7")
    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["x-request-id"])


def test_json_holds_the_picture_and_its_facts(client: FlaskClient) -> None:
    answer = generate(client, "core", "application/json", seed="7", output_format="webp")

    body = answer.get_json()
    assert answer.content_type == "application/json; type=image/webp"
    assert body.keys() == {"image", "finish_reason", "seed"}
    assert (body["finish_reason"], body["seed"]) == ("SUCCESS", 7)
    assert opened(b64decode(body["image"])).format == "WEBP"


def test_a_seed_decides_the_picture_and_an_equal_request_is_charged_again(client: FlaskClient) -> None:
    first, second, other = (generate(client, seed=seed).data for seed in ("7", "7", "8"))

    assert first == second != other
    assert len(charges(client)) == 3


@pytest.mark.parametrize("accept", ["image/*", "application/json"])
def test_a_filtered_picture_is_a_blurred_success_that_is_charged(client: FlaskClient, accept: str) -> None:
    answer = generate(client, accept=accept, prompt="a fox [[content_filtered]]")

    body = answer.data if accept == "image/*" else b64decode(answer.get_json()["image"])
    edges = opened(body).convert("L").filter(ImageFilter.FIND_EDGES).crop((9, 9, 1000, 1000))
    assert (answer.status_code, answer.headers["finish-reason"]) == (200, "CONTENT_FILTERED")
    assert accept == "image/*" or answer.get_json()["finish_reason"] == "CONTENT_FILTERED"
    assert ImageStat.Stat(edges).mean[0] < 1
    assert [charge["outcome"] for charge in charges(client)] == ["content_filtered"]


@pytest.mark.parametrize("refused", REFUSED, ids=lambda refused: str(refused[0]))
def test_a_scripted_refusal_is_in_the_envelope_and_costs_nothing(
    client: FlaskClient, refused: tuple[str, int, str, str]
) -> None:
    outcome, status, name, words = refused
    client.post("/control/outcomes", json={"outcome": outcome})

    answer = generate(client)

    body = answer.get_json()
    assert body.keys() == {"id", "name", "errors"}
    assert (answer.status_code, body["name"], body["id"]) == (status, name, answer.headers["x-request-id"])
    assert words in body["errors"][0]
    assert charges(client) == []


def test_every_scripted_refusal_is_proved_here() -> None:
    assert {"bad_gateway", *(outcome for outcome, *_ in REFUSED)} == set(REFUSALS)


def test_the_edge_answers_a_page_and_no_envelope(client: FlaskClient) -> None:
    answer = generate(client, prompt="[[bad_gateway]]")

    assert (answer.status_code, answer.content_type) == (502, "text/html")


def test_only_one_of_two_forms_of_the_lock_says_how_long(client: FlaskClient) -> None:
    silent = generate(client, prompt="[[rate_limit_exceeded]]")
    telling = generate(client, prompt="[[rate_limit_with_retry_after]]")

    assert "retry-after" not in silent.headers
    assert telling.headers["retry-after"] == "30"


@pytest.mark.parametrize("path", [f"{GENERATE}/sd3", "/v2beta/no-such"])
@pytest.mark.parametrize("key", ["", "Bearer sk-wrong", "Bearer", f"Basic {KEY}"])
def test_a_key_is_asked_for_before_the_address_is_looked_at(client: FlaskClient, path: str, key: str) -> None:
    answer = client.post(path, headers={"Authorization": key})

    assert answer.status_code == 401
    assert answer.get_json()["errors"] == ["authorization: invalid or missing header value"]


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("", "missing authorization header"),
        (
            "Bearer sk-notarealtokenzzzzzz",
            f"Incorrect API key provided: sk-nota***********zzzz. {WHERE_KEYS_ARE}",
        ),
        ("Bearer sk-short", f"Incorrect API key provided: ****. {WHERE_KEYS_ARE}"),
    ],
)
def test_the_older_api_has_an_envelope_of_its_own(client: FlaskClient, key: str, message: str) -> None:
    answer = client.get("/v1/user/balance", headers={"Authorization": key})

    assert answer.status_code == 401
    assert answer.get_json() == {"id": answer.headers["x-request-id"], "name": "unauthorized", "message": message}


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("path", "words"), [(f"{GENERATE}/sd4", "errors"), ("/v2beta/no-such", "errors"), ("/v1/no-such", "message")]
)
def test_an_unknown_address_is_not_found(client: FlaskClient, method: str, path: str, words: str) -> None:
    answer = client.open(path, method=method, headers=AUTHORIZED)

    assert (answer.status_code, answer.get_json()["name"]) == (404, "not_found")
    assert words in answer.get_json()


@pytest.mark.parametrize(
    ("length", "status", "name"),
    [(LARGEST_BODY, 400, "bad_request"), (LARGEST_BODY + 1, 413, "payload_too_large")],
)
def test_a_body_of_more_than_10_mib_is_refused(client: FlaskClient, length: int, status: int, name: str) -> None:
    empty, content_type = encode_multipart_formdata({"prompt": ""}, boundary="b")
    body, _ = encode_multipart_formdata({"prompt": "x" * (length - len(empty))}, boundary="b")

    answer = client.post(f"{GENERATE}/sd3", data=body, content_type=content_type, headers=AUTHORIZED)

    assert (len(body), answer.status_code, answer.get_json()["name"]) == (length, status, name)
    assert status != 413 or answer.get_json()["errors"] == ["body: payloads cannot be larger than 10MiB in size"]


@pytest.mark.parametrize(
    ("endpoint", "fields", "price"),
    [
        ("sd3", {}, 6.5),
        ("sd3", {"model": "sd3.5-large-turbo"}, 4),
        ("sd3", {"model": "sd3-medium"}, 3.5),
        ("sd3", {"model": "sd3.5-flash"}, 2.5),
        ("core", {}, 3),
        ("ultra", {}, 8),
    ],
)
def test_a_picture_costs_its_models_price_until_there_are_no_credits_left(
    client: FlaskClient, endpoint: str, fields: dict[str, str], price: float
) -> None:
    client.put("/control/credits", json={"credits": price + 1})

    paid, broke = generate(client, endpoint, **fields), generate(client, endpoint, **fields)

    assert (paid.status_code, broke.status_code) == (200, 402)
    assert broke.get_json()["name"] == "payment_required"
    assert client.get("/v1/user/balance", headers=AUTHORIZED).get_json() == {"credits": 1}


def test_whoever_asks_150_times_in_10_seconds_is_locked_out_for_60(client: FlaskClient) -> None:
    for _ in range(150):
        client.get("/v1/user/balance", headers=AUTHORIZED)

    locked = generate(client)
    client.put("/control/clock", json={"advance_seconds": 59})
    still = generate(client)
    client.put("/control/clock", json={"advance_seconds": 1})

    assert (locked.status_code, still.status_code, generate(client).status_code) == (429, 429, 200)
    assert len(charges(client)) == 1


def test_strangers_do_not_use_up_the_limit(client: FlaskClient) -> None:
    for _ in range(151):
        client.get("/v1/user/balance")

    assert client.get("/v1/user/balance", headers=AUTHORIZED).status_code == 200


@pytest.mark.parametrize(("outcome", "size"), [("wrong_size", (512, 512)), ("truncated", None), ("empty", None)])
def test_a_faulty_picture_is_charged(client: FlaskClient, outcome: str, size: tuple[int, int] | None) -> None:
    answer = generate(client, prompt=f"a fox [[{outcome}]]")

    assert answer.status_code == 200
    assert size is None or opened(answer.data).size == size
    assert (answer.data == b"") is (outcome == "empty")
    assert len(charges(client)) == 1
