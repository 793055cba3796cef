from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from typing import Any, ClassVar

import pytest
from PIL import Image

from core.generation import Size
from tests.providers.conformance import Conformance, Refusal
from tests.providers.customer import make
from tests.providers.simulator import Simulator
from tests.providers.upstream import Upstream, answer
from tests.providers.wire_conformance import KEY, PATIENT, PROMPT
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
from workers.providers.openai import OpenAI

ORDER = Order(
    upstream_model="gpt-image-2", prompt=PROMPT, n=1, size=Size(256, 256), quality="standard", style=None
)
DALL_E = replace(ORDER, upstream_model="dall-e-2")
NATURAL = f"{PROMPT}\n\nA natural, realistic look, not hyper-real or dramatic."


def build(address: str, limits: Limits = PATIENT) -> OpenAI:
    headers = {"Authorization": f"Bearer {KEY}"}
    return OpenAI(Client(f"{address}/v1", headers, connections=4, limits=limits))


class OpenAIConformance(Conformance):
    provider = "openai"
    refusals: ClassVar[Sequence[Refusal]] = (
        Refusal("insufficient_quota", Misconfigured),
        Refusal("billing_hard_limit", Misconfigured),
        Refusal("invalid_api_key", Misconfigured),
        Refusal("unverified_organization", Misconfigured),
        Refusal("model_gone", Misconfigured),
        Refusal("moderation_blocked", Moderated),
        Refusal("moderation_blocked_output", Moderated),
        Refusal("content_policy_violation", Moderated),
        Refusal("server_error", Unavailable),
        Refusal("service_unavailable", Unavailable),
        Refusal("gateway_timeout", Unavailable),
        Refusal("bad_gateway", Unavailable),
        Refusal("edge_throttled", Throttled, retry_after=54749),
    )

    def build(self, address: str, limits: Limits = PATIENT) -> OpenAI:
        return build(address, limits)

    def test_what_it_says_of_its_rate_limit_is_kept(self, simulator: Simulator) -> None:
        adapter = self.build(simulator.address)

        make(adapter, self.order)

        assert adapter.told
        assert (adapter.told.most, adapter.told.left, adapter.told.reset_seconds) == (500, 499, 0.12)


class TestGptImage(OpenAIConformance):
    order = ORDER
    most = 10
    refusals = (*OpenAIConformance.refusals, Refusal("rate_limit", Throttled, retry_after=0.24))

    def test_small_pictures_are_ordered_at_the_size_the_model_can_draw(self, simulator: Simulator) -> None:
        [picture] = build(simulator.address).submit(ORDER).pictures

        assert Image.open(BytesIO(picture.data)).size == (1024, 1024)

    @pytest.mark.parametrize("size", [Size(1024, 1024), Size(1792, 1024), Size(1024, 1792)])
    def test_pictures_of_public_sizes_come_as_ordered(self, simulator: Simulator, size: Size) -> None:
        [picture] = build(simulator.address).submit(replace(ORDER, size=size)).pictures

        assert Image.open(BytesIO(picture.data)).size == size

    def test_what_the_picture_was_made_from_is_told(self, simulator: Simulator) -> None:
        [picture] = build(simulator.address).submit(replace(ORDER, style="natural")).pictures

        assert picture.revised_prompt == NATURAL


class TestDallE2(OpenAIConformance):
    order = DALL_E
    most = 10
    refusals = (*OpenAIConformance.refusals, Refusal("rate_limit", Throttled, retry_after=1))

    @pytest.mark.parametrize("edge", [256, 512, 1024])
    def test_pictures_come_in_their_native_size(self, simulator: Simulator, edge: int) -> None:
        [picture] = build(simulator.address).submit(replace(DALL_E, size=Size(edge, edge))).pictures

        assert Image.open(BytesIO(picture.data)).size == (edge, edge)
        assert picture.revised_prompt is None


class TestDallE3(OpenAIConformance):
    order = replace(ORDER, upstream_model="dall-e-3", size=Size(1024, 1792), quality="hd", style="vivid")
    most = 1
    refusals = TestDallE2.refusals

    def test_the_prompt_as_the_provider_rewrote_it_is_told(self, simulator: Simulator) -> None:
        [picture] = build(simulator.address).submit(self.order).pictures

        assert picture.revised_prompt
        assert picture.revised_prompt.endswith(f"of: {PROMPT}")


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (
            ORDER,
            {"model": "gpt-image-2", "prompt": PROMPT, "n": 1, "size": "1024x1024", "quality": "medium"}
            | {"output_format": "png"},
        ),
        (replace(ORDER, quality="hd"), {"quality": "high"}),
        (replace(ORDER, style="vivid"), {"prompt": PROMPT}),
        (replace(ORDER, style="natural"), {"prompt": NATURAL}),
        (replace(ORDER, n=3, size=Size(512, 512)), {"n": 3, "size": "1024x1024"}),
        (replace(ORDER, size=Size(640, 480)), {"size": "1920x1440"}),
        (replace(ORDER, size=Size(1792, 1024)), {"size": "1792x1024"}),
        (replace(ORDER, size=Size(1008, 3024)), {"size": "1008x3024"}),
        (replace(ORDER, quality="xhigh"), {"quality": "xhigh"}),
        (replace(ORDER, extras={"background": "opaque", "moderation": "low"}), {"background": "opaque"}),
        (
            replace(DALL_E, quality="hd", style="natural"),
            {"model": "dall-e-2", "prompt": PROMPT, "n": 1, "size": "256x256", "response_format": "b64_json"},
        ),
        (
            replace(TestDallE3.order, style="natural"),
            {"model": "dall-e-3", "prompt": PROMPT, "n": 1, "size": "1024x1792", "response_format": "b64_json"}
            | {"quality": "hd", "style": "natural"},
        ),
        (replace(TestDallE3.order, style=None), {"style": "vivid"}),
    ],
)
def test_an_order_on_the_wire(order: Order, expected: dict[str, Any]) -> None:
    with Upstream.answering(answer(500)) as upstream, pytest.raises(Unavailable):
        build(upstream.address).submit(order)

    [received] = upstream.received
    sent = received.json()
    assert received.line == "POST /v1/images/generations HTTP/1.1"
    assert received.headers["authorization"] == f"Bearer {KEY}"
    assert received.headers["content-type"] == "application/json"
    assert sent == (expected if "model" in expected else sent | expected)


@pytest.mark.parametrize(
    ("statuses", "kind"),
    [
        ((300, 302, 308, 401, 402, 403, 404, 405, 410), Misconfigured),
        ((400, 413, 422), Rejected),
        ((429,), Throttled),
        ((408, 409, 500, 502, 503, 504, 529), Unavailable),
        ((200, 201, 202), OutcomeUnknown),
    ],
)
def test_a_status_without_words_says_what_to_do(statuses: tuple[int, ...], kind: type[ProviderError]) -> None:
    with Upstream.answering(b"") as upstream:
        for status in statuses:
            upstream.answer = answer(status)
            with pytest.raises(kind):
                build(upstream.address).submit(ORDER)


def test_a_word_on_the_prompt_reaches_the_caller() -> None:
    fault = b'{"error": {"message": "Unknown parameter: \'seed\'.", "code": "unknown_parameter", "param": "seed"}}'

    with Upstream.answering(answer(400, fault)) as upstream, pytest.raises(Rejected) as caught:
        build(upstream.address).submit(ORDER)

    assert caught.value.public == "Unknown parameter: 'seed'."


@pytest.mark.parametrize(
    "code",
    [
        "insufficient_quota",
        "billing_hard_limit_reached",
        "project_spend_limit_exceeded",
        "organization_spend_limit_exceeded",
    ],
)
@pytest.mark.parametrize("status", [400, 403, 429])
def test_money_that_ran_out_is_our_fault_whatever_the_status(code: str, status: int) -> None:
    fault = f'{{"error": {{"message": "no money", "type": "{code}", "param": null, "code": "{code}"}}}}'

    with Upstream.answering(answer(status, fault.encode())) as upstream, pytest.raises(Misconfigured) as caught:
        build(upstream.address).submit(ORDER)

    assert "money" not in caught.value.public


@pytest.mark.parametrize(("told", "seconds"), [("2", 2.0), ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0), ("soon", None)])
def test_a_pause_is_understood_or_ignored(told: str, seconds: float | None) -> None:
    refused = answer(429, b"error code: 1015", retry_after=told, content_type="text/plain")

    with Upstream.answering(refused) as upstream, pytest.raises(Throttled) as caught:
        build(upstream.address).submit(ORDER)

    assert caught.value.retry_after == seconds


def test_a_rewritten_prompt_is_kept_as_far_as_the_ledger_can() -> None:
    body = b'{"data": [{"b64_json": "AAAA", "revised_prompt": "nul \\u0000, half a pair \\ud83d"}]}'

    with Upstream.answering(answer(200, body)) as upstream:
        [picture] = build(upstream.address).submit(ORDER).pictures

    assert picture == RawPicture(b"\0\0\0", "nul �, half a pair ?")
