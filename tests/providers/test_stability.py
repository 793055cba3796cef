from base64 import b64encode
from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from typing import Any, ClassVar

import pytest
import requests
from PIL import Image
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from core import settings
from core.generation import Size
from tests.providers.conformance import KEY, PATIENT, PROMPT, Conformance, Refusal
from tests.providers.simulator import Simulator
from tests.providers.upstream import Received, Upstream, answer
from workers.pictures import develop
from workers.providers import registry
from workers.providers.base import Order, RawPicture
from workers.providers.errors import (
    Misconfigured,
    Moderated,
    OutcomeUnknown,
    ProviderError,
    Rejected,
    Throttled,
    Unavailable,
)
from workers.providers.http import Client, Limits
from workers.providers.stability import LARGEST_SEED, Stability

ORDER = Order(
    upstream_model="sd3.5-large", prompt=PROMPT, n=1, size=Size(1024, 1024), quality="standard", style=None
)
PLAIN = {"model": "sd3.5-large", "prompt": PROMPT, "aspect_ratio": "1:1", "output_format": "png"}
EXTRAS = {"negative_prompt": "dogs", "style_preset": "anime", "seed": 7}
REQUIRED = {
    "DATABASE_URL": "postgresql://127.0.0.1/none",
    "REDIS_URL": "redis://127.0.0.1/0",
    "S3_ENDPOINT": "http://127.0.0.1:1",
    "S3_ACCESS_KEY": "access",
    "S3_SECRET_KEY": "secret",
}
JSON_OF_PNG = "application/json; type=image/png"


def build(address: str, limits: Limits = PATIENT) -> Stability:
    headers = {"Authorization": f"Bearer {KEY}"}
    return Stability(Client(address, headers, connections=4, limits=limits))


class StabilityConformance(Conformance):
    provider = "stability"
    most = 1
    refusals: ClassVar[Sequence[Refusal]] = (
        Refusal("unauthorized", Misconfigured),
        Refusal("payment_required", Misconfigured),
        Refusal("payment_required_as_403", Misconfigured),
        Refusal("not_found", Misconfigured),
        Refusal("content_moderation", Moderated),
        Refusal("bad_request", Rejected),
        Refusal("payload_too_large", Rejected),
        Refusal("content_too_large", Rejected),
        Refusal("invalid_language", Rejected),
        Refusal("invalid_prompt", Rejected),
        Refusal("rate_limit_exceeded", Throttled, retry_after=60),
        Refusal("rate_limit_with_retry_after", Throttled, retry_after=30),
        Refusal("internal_error", Unavailable),
        Refusal("service_unavailable", Unavailable),
        Refusal("bad_gateway", Unavailable),
    )

    def build(self, address: str, limits: Limits = PATIENT) -> Stability:
        return build(address, limits)


class TestStableDiffusion(StabilityConformance):
    order = ORDER

    @pytest.mark.parametrize("size", [Size(1024, 1024), Size(768, 1024), Size(1024, 768)])
    def test_pictures_of_public_sizes_come_out_as_ordered(self, simulator: Simulator, size: Size) -> None:
        [picture] = build(simulator.address).submit(replace(ORDER, size=size)).pictures

        assert Image.open(BytesIO(develop(picture.data, size))).size == size

    def test_a_filtered_picture_is_a_refusal_that_was_charged_for(self, simulator: Simulator) -> None:
        simulator.script("content_filtered")

        with pytest.raises(Moderated):
            build(simulator.address).submit(ORDER)

        assert [charge["outcome"] for charge in simulator.charges()] == ["content_filtered"]

    def test_whoever_is_locked_out_learns_for_how_long(self, simulator: Simulator) -> None:
        with requests.Session() as session:
            session.headers["Authorization"] = f"Bearer {KEY}"
            for _ in range(150):
                session.get(f"{simulator.address}/v1/user/balance", timeout=5).raise_for_status()

        with pytest.raises(Throttled) as caught:
            build(simulator.address).submit(ORDER)
        requests.put(f"{simulator.address}/control/clock", json={"advance_seconds": 60}, timeout=5)

        assert caught.value.retry_after == 60
        assert build(simulator.address).submit(ORDER).pictures

    def test_an_account_without_credits_is_our_fault(self, simulator: Simulator) -> None:
        requests.put(f"{simulator.address}/control/credits", json={"credits": 6.4}, timeout=5)

        with pytest.raises(Misconfigured):
            build(simulator.address).submit(ORDER)

        assert simulator.charges() == []

    def test_a_body_that_is_too_large_is_the_callers_fault(self, simulator: Simulator) -> None:
        with pytest.raises(Rejected, match="cannot be larger than 10MiB"):
            build(simulator.address).submit(replace(ORDER, prompt="x" * 11 * 1024 * 1024))


class TestCore(StabilityConformance):
    order = replace(ORDER, upstream_model="core")
    refusals = (Refusal("content_moderation", Moderated),)


class TestUltra(StabilityConformance):
    order = replace(ORDER, upstream_model="ultra")
    refusals = (Refusal("content_moderation", Moderated),)


def form(received: Received) -> dict[str, str]:
    sent = EnvironBuilder(method="POST", data=received.body, content_type=received.headers["content-type"])
    return Request(sent.get_environ()).form.to_dict()


def sent_for(order: Order) -> Received:
    with Upstream.answering(answer(500)) as upstream, pytest.raises(Unavailable):
        build(upstream.address).submit(order)
    [received] = upstream.received
    return received


@pytest.mark.parametrize(
    ("model", "endpoint", "fields"),
    [
        ("sd3.5-large", "sd3", PLAIN),
        ("sd3-medium", "sd3", {**PLAIN, "model": "sd3-medium"}),
        ("core", "core", {name: value for name, value in PLAIN.items() if name != "model"}),
        ("ultra", "ultra", {name: value for name, value in PLAIN.items() if name != "model"}),
    ],
)
def test_the_endpoint_follows_the_model(model: str, endpoint: str, fields: dict[str, str]) -> None:
    received = sent_for(replace(ORDER, upstream_model=model))

    assert received.line == f"POST /v2beta/stable-image/generate/{endpoint} HTTP/1.1"
    assert received.headers["authorization"] == f"Bearer {KEY}"
    assert received.headers["accept"] == "image/*"
    assert form(received) == fields


def test_the_settings_key_and_address_are_used() -> None:
    with Upstream.answering(answer(500)) as upstream:
        given = {**REQUIRED, "STABILITY_API_KEY": KEY, "STABILITY_BASE_URL": upstream.address}
        provider = registry.build("stability", settings.read(given), connections=1)
        with pytest.raises(Unavailable):
            provider.submit(ORDER)

    assert upstream.received[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    ("size", "ratio"),
    [
        (Size(768, 1024), "4:5"),
        (Size(1024, 768), "5:4"),
        (Size(1536, 1024), "3:2"),
        (Size(1024, 1536), "2:3"),
        (Size(1792, 1024), "16:9"),
        (Size(1024, 1792), "9:16"),
        (Size(4000, 1000), "21:9"),
        (Size(1000, 4000), "9:21"),
    ],
)
def test_the_nearest_ratio_is_ordered(size: Size, ratio: str) -> None:
    assert form(sent_for(replace(ORDER, size=size)))["aspect_ratio"] == ratio


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (
            replace(ORDER, extras=EXTRAS),
            {**PLAIN, "negative_prompt": "dogs", "style_preset": "anime", "seed": "7"},
        ),
        (replace(ORDER, quality="hd", style="natural"), PLAIN),
        (replace(ORDER, extras={"negative_prompt": "", "style_preset": None, "seed": None}), PLAIN),
        (replace(ORDER, prompt="a föx\r\n🦊"), {**PLAIN, "prompt": "a föx\r\n🦊"}),
    ],
)
def test_an_order_on_the_wire(order: Order, expected: dict[str, str]) -> None:
    assert form(sent_for(order)) == expected


@pytest.mark.parametrize(
    ("seed", "first", "expected"),
    [(7, 0, "7"), (7, 3, "10"), (LARGEST_SEED, 0, "4294967294"), (LARGEST_SEED, 1, "1"), (0, 3, None)],
)
def test_each_picture_has_a_seed_of_its_own_unless_any_will_do(
    seed: int, first: int, expected: str | None
) -> None:
    received = sent_for(replace(ORDER, first=first, extras={"seed": seed}))

    assert form(received).get("seed") == expected


def answered(body: bytes, content_type: str, **headers: str) -> bytes:
    return answer(200, body, content_type=content_type, **headers)


def json_answer(**fields: Any) -> bytes:
    stated = ", ".join(f'"{name}": "{value}"' for name, value in fields.items())
    return f"{{{stated}}}".encode()


@pytest.mark.parametrize(
    "success",
    [
        answered(b"a picture", "image/png", finish_reason="SUCCESS", seed="7"),
        answered(b"a picture", "Image/JPEG"),
        answered(
            json_answer(image=b64encode(b"a picture").decode(), finish_reason="SUCCESS", seed=7), JSON_OF_PNG
        ),
        answered(json_answer(image=b64encode(b"a picture").decode()), "application/json"),
    ],
)
def test_bytes_and_json_are_both_a_picture(success: bytes) -> None:
    with Upstream.answering(success) as upstream:
        delivered = build(upstream.address).submit(ORDER)

    assert delivered.pictures == [RawPicture(b"a picture")]


@pytest.mark.parametrize(
    "filtered",
    [
        answered(b"a blur", "image/png", finish_reason="CONTENT_FILTERED"),
        answered(json_answer(image="AAAA", finish_reason="CONTENT_FILTERED"), JSON_OF_PNG),
        answered(json_answer(image="AAAA"), JSON_OF_PNG, finish_reason="CONTENT_FILTERED"),
        answered(b"", "image/png", finish_reason="CONTENT_FILTERED"),
    ],
)
def test_a_filtered_picture_is_moderated_wherever_that_is_said(filtered: bytes) -> None:
    with Upstream.answering(filtered) as upstream, pytest.raises(Moderated):
        build(upstream.address).submit(ORDER)


@pytest.mark.parametrize("content_type", ["image/png", "text/html", "", "application/json"])
def test_a_success_without_a_picture_is_unknown_whatever_its_type(content_type: str) -> None:
    body = b"" if content_type == "image/png" else b"<h1>Welcome</h1>"

    with Upstream.answering(answered(body, content_type)) as upstream, pytest.raises(OutcomeUnknown):
        build(upstream.address).submit(ORDER)


@pytest.mark.parametrize(
    ("statuses", "kind"),
    [
        ((300, 302, 308, 401, 402, 403, 404, 405, 409, 410), Misconfigured),
        ((400, 413, 422), Rejected),
        ((429,), Throttled),
        ((408, 500, 502, 503, 504, 529), Unavailable),
        ((200, 201, 202), OutcomeUnknown),
    ],
)
def test_a_status_without_words_says_what_to_do(statuses: tuple[int, ...], kind: type[ProviderError]) -> None:
    with Upstream.answering(b"") as upstream:
        for status in statuses:
            upstream.answer = answer(status)
            with pytest.raises(kind):
                build(upstream.address).submit(ORDER)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (
            b'{"id": "1", "name": "bad_request", "errors": ["seed: too large", "prompt: too long"]}',
            "seed: too large; ",
        ),
        (b'{"id": "1", "name": "bad_request", "message": "prompt: too long"}', "prompt: too long"),
        (
            b'{"id": "1", "name": "bad_request", "errors": [], "message": null}',
            "The provider refused the request.",
        ),
    ],
)
def test_a_word_on_the_request_reaches_the_caller_from_either_envelope(fault: bytes, words: str) -> None:
    with Upstream.answering(answer(400, fault)) as upstream, pytest.raises(Rejected) as caught:
        build(upstream.address).submit(ORDER)

    assert caught.value.public.startswith(words)


def test_a_model_that_is_gone_is_our_fault() -> None:
    fault = b'{"id": "1", "name": "bad_request", "errors": ["model: must be one of sd4"]}'

    with Upstream.answering(answer(400, fault)) as upstream, pytest.raises(Misconfigured):
        build(upstream.address).submit(ORDER)


@pytest.mark.parametrize("words", ["message", "errors"])
def test_a_refused_key_is_not_repeated_though_the_provider_does(words: str) -> None:
    fault = json_answer(name="unauthorized", **{words: f"Incorrect API key provided: {KEY}."})

    with Upstream.answering(answer(401, fault)) as upstream, pytest.raises(Misconfigured) as caught:
        build(upstream.address).submit(ORDER)

    assert KEY not in repr(caught.value)


@pytest.mark.parametrize(("told", "seconds"), [("2", 2.0), ("0", 0.0), ("soon", 60.0)])
def test_a_pause_is_as_told_and_else_as_documented(told: str, seconds: float) -> None:
    with Upstream.answering(answer(429, retry_after=told)) as upstream, pytest.raises(Throttled) as caught:
        build(upstream.address).submit(ORDER)

    assert caught.value.retry_after == seconds
