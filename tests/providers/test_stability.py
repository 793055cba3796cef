from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from typing import ClassVar

import pytest
import requests
from PIL import Image
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from core import settings
from core.generation import Size
from tests.providers.conformance import Conformance, Refusal
from tests.providers.simulator import Simulator
from tests.providers.upstream import Received, Upstream, answer
from tests.providers.wire_conformance import KEY, PATIENT, PROMPT
from tests.required import REQUIRED
from workers.pictures import develop
from workers.providers import registry
from workers.providers.base import Order
from workers.providers.errors import (
    Misconfigured,
    Moderated,
    Rejected,
    Throttled,
    Unavailable,
)
from workers.providers.http import Client, Limits
from workers.providers.stability import LARGEST_SEED, Stability

ORDER = Order(
    upstream_model="sd3.5-large", prompt=PROMPT, n=1, size=Size(1024, 1024), quality="standard", style=None
)
BARE = {"prompt": PROMPT, "aspect_ratio": "1:1", "output_format": "png"}
PLAIN = {**BARE, "model": "sd3.5-large"}
EXTRAS = {"negative_prompt": "dogs", "style_preset": "anime", "seed": 7}


def build(address: str, limits: Limits = PATIENT) -> Stability:
    headers = {"Authorization": f"Bearer {KEY}"}
    return Stability(Client(address, headers, connections=4, limits=limits))


class TestStability(Conformance):
    provider = "stability"
    order = ORDER
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
        Refusal("content_filtered", Moderated, charged=True),
    )

    def build(self, address: str, limits: Limits = PATIENT) -> Stability:
        return build(address, limits)

    @pytest.mark.parametrize("size", [Size(1024, 1024), Size(768, 1024), Size(1024, 768)])
    def test_pictures_of_public_sizes_come_out_as_ordered(self, simulator: Simulator, size: Size) -> None:
        [picture] = build(simulator.address).submit(replace(ORDER, size=size)).pictures

        assert Image.open(BytesIO(develop(picture.data, size))).size == size

    @pytest.mark.parametrize("model", ["sd3.5-large-turbo", "sd3.5-medium", "sd3.5-flash", "core", "ultra"])
    def test_every_model_makes_pictures_and_is_charged_as_itself(self, simulator: Simulator, model: str) -> None:
        [picture] = build(simulator.address).submit(replace(ORDER, upstream_model=model)).pictures

        assert picture.data.startswith(b"\x89PNG")
        assert [charge["model"] for charge in simulator.charges()] == [model]

    def test_whoever_is_locked_out_learns_for_how_long(self, simulator: Simulator) -> None:
        with requests.Session() as session:
            session.headers["Authorization"] = f"Bearer {KEY}"
            for _ in range(150):
                session.get(f"{simulator.address}/v1/user/balance", timeout=5).raise_for_status()

        with pytest.raises(Throttled) as caught:
            build(simulator.address).submit(ORDER)
        simulator.advance(60)

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
        ("sd3.5-large", "sd3", {**BARE, "model": "sd3.5-large"}),
        ("sd3-medium", "sd3", {**BARE, "model": "sd3-medium"}),
        ("core", "core", BARE),
        ("ultra", "ultra", BARE),
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
        given = {
            **REQUIRED,
            "STABILITY_API_KEY": KEY,
            "STABILITY_BASE_URL": upstream.address,
        }
        provider = registry.build("stability", settings.read(given), connections=1)
        with pytest.raises(Unavailable):
            provider.submit(ORDER)

    assert upstream.received[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    ("size", "ratio"),
    [
        ((768, 1024), "4:5"),
        ((1024, 768), "5:4"),
        ((1536, 1024), "3:2"),
        ((1792, 1024), "16:9"),
        ((1024, 1792), "9:16"),
        ((1000, 4000), "9:21"),
    ],
)
def test_the_nearest_ratio_is_ordered(size: tuple[int, int], ratio: str) -> None:
    assert form(sent_for(replace(ORDER, size=Size(*size))))["aspect_ratio"] == ratio


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
