from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from json import dumps
from typing import Any, ClassVar

import pytest
from PIL import Image

from core.generation import Size
from tests.providers.conformance import Refusal
from tests.providers.customer import make, submitted
from tests.providers.simulator import Simulator
from tests.providers.task_conformance import TaskConformance
from tests.providers.upstream import Upstream, answer
from tests.providers.wire_conformance import KEY, PATIENT, PROMPT
from workers.providers.base import Order, Pending
from workers.providers.bfl import BlackForestLabs, downloads
from workers.providers.errors import (
    Misconfigured,
    Moderated,
    OutcomeUnknown,
    Rejected,
    TaskFailed,
    Throttled,
    Unavailable,
)
from workers.providers.http import Limits

ORDER = Order(
    upstream_model="flux-pro-1.1", prompt=PROMPT, n=1, size=Size(256, 256), quality="standard", style=None
)
ULTRA = replace(ORDER, upstream_model="flux-pro-1.1-ultra")
FLUX_2 = replace(ORDER, upstream_model="flux-2-pro")
provider = "bfl"


class TestBlackForestLabs(TaskConformance):
    provider = provider
    order = ORDER
    most = 1
    refusals: ClassVar[Sequence[Refusal]] = (
        Refusal("insufficient_credits", Misconfigured),
        Refusal("invalid_api_key", Misconfigured),
        Refusal("malformed_api_key", Misconfigured),
        Refusal("model_gone", Misconfigured),
        Refusal("bad_request", Rejected),
        Refusal("too_many_tasks", Throttled, retry_after=2),
        Refusal("too_many_tasks_for_long", Throttled, retry_after=17),
        Refusal("server_error", Unavailable),
        Refusal("service_unavailable", Unavailable),
        Refusal("request_moderated", Moderated),
        Refusal("content_moderated", Moderated),
        Refusal("error", TaskFailed),
        Refusal("error_422", TaskFailed),
        Refusal("error_503", TaskFailed),
        Refusal("lost", OutcomeUnknown, charged=True),
        Refusal("sample_forbidden", OutcomeUnknown, charged=True),
    )
    detours = (
        "pending",
        "interim",
        "not_found_at_first",
        "poll_forbidden",
        "poll_unavailable",
        "poll_throttled",
        "poll_drop",
        "sample_expired",
    )
    not_here = frozenset({"regional"})  # polled at a subdomain, which no name of this machine has

    def build(self, address: str, limits: Limits = PATIENT) -> BlackForestLabs:
        return build(address, limits)

    def handle(self, address: str) -> dict[str, Any]:
        return {"id": "1", "polling_url": f"{address}/v1/get_result?id=1"}


def build(address: str, limits: Limits = PATIENT) -> BlackForestLabs:
    return BlackForestLabs(address, KEY, connections=4, limits=limits)


def a_poll(upstream: Upstream, **body: Any) -> None:
    """Ask once what the upstream is told to say."""
    upstream.answer = answer(200, dumps(body).encode())
    build(upstream.address).poll(ORDER, {"id": "1", "polling_url": f"{upstream.address}/v1/get_result?id=1"})


@pytest.mark.parametrize("order", [ORDER, FLUX_2, replace(FLUX_2, size=Size(1792, 1024))])
def test_a_picture_comes_as_png_at_the_size_ordered(simulator: Simulator, order: Order) -> None:
    image = Image.open(BytesIO(make(build(simulator.address), order)[0].data))

    assert (image.format, image.size) == ("PNG", order.size)
    assert [charge["n"] for charge in simulator.charges()] == [1]


def test_what_polls_say_of_its_rate_limit_is_kept(simulator: Simulator) -> None:
    adapter = build(simulator.address)

    make(adapter, ORDER)

    assert adapter.told
    assert (adapter.told.most, adapter.told.left) == (1200, 1199)
    assert 0 < adapter.told.reset_seconds <= 60


def test_ultra_draws_its_own_four_million_pixels(simulator: Simulator) -> None:
    image = Image.open(BytesIO(make(build(simulator.address), replace(ULTRA, size=Size(1792, 1024)))[0].data))

    assert image.size == (2752, 1536)


def test_a_seed_is_the_first_of_as_many_as_there_are_pictures(simulator: Simulator) -> None:
    adapter, seeded = build(simulator.address), replace(ORDER, extras={"seed": 7})

    [first], [second] = make(adapter, seeded), make(adapter, replace(seeded, first=1))

    assert first.data != second.data
    assert [first] == make(adapter, seeded)


@pytest.mark.parametrize(
    ("order", "fields"),
    [
        (ORDER, {"prompt": PROMPT, "output_format": "png", "width": 256, "height": 256}),
        (
            replace(ORDER, size=Size(1792, 1024)),
            {"prompt": PROMPT, "output_format": "png", "width": 1440, "height": 832},
        ),
        (replace(ORDER, size=Size(1024, 1792)), {"width": 832, "height": 1440}),
        (replace(ORDER, size=Size(1536, 1024)), {"width": 1440, "height": 960}),
        (replace(ORDER, size=Size(1000, 1000)), {"width": 992, "height": 992}),
        (replace(ORDER, size=Size(128, 256)), {"width": 256, "height": 512}),
        (replace(ORDER, size=Size(4096, 256)), {"width": 1440, "height": 256}),
        (ULTRA, {"prompt": PROMPT, "output_format": "png", "aspect_ratio": "1:1", "raw": False}),
        (replace(ULTRA, size=Size(1792, 1024)), {"aspect_ratio": "16:9"}),
        (replace(ULTRA, size=Size(1024, 1536)), {"aspect_ratio": "2:3"}),
        (replace(ULTRA, quality="hd"), {"raw": True}),
        (replace(ULTRA, style="natural"), {"raw": True}),
        (replace(ULTRA, style="vivid", quality="hd"), {"raw": False}),
        (replace(FLUX_2, size=Size(1792, 1024)), {"width": 1792, "height": 1024}),
        (replace(FLUX_2, size=Size(4096, 4096)), {"width": 2000, "height": 2000}),
        (replace(FLUX_2, size=Size(1001, 40)), {"width": 992, "height": 64}),
        (replace(ORDER, first=3, extras={"seed": 7}), {"seed": 10}),
    ],
)
def test_an_order_on_the_wire(order: Order, fields: dict[str, Any]) -> None:
    with Upstream.answering(answer(500)) as upstream, pytest.raises(Unavailable):
        build(upstream.address).submit(order)

    [received] = upstream.received
    sent = received.json()
    assert received.line == f"POST /v1/{order.upstream_model} HTTP/1.1"
    assert received.headers["x-key"] == KEY
    assert sent == (fields if "prompt" in fields else sent | fields)


@pytest.mark.parametrize(
    ("outcome", "waits"), [("pending", [1, 1]), ("interim", [1, 1]), ("not_found_at_first", [2, 2, 2])]
)
def test_a_task_that_goes_on_is_polled_when_it_was_said_to(
    simulator: Simulator, outcome: str, waits: list[float]
) -> None:
    simulator.script(outcome)
    adapter = build(simulator.address)
    handle = submitted(adapter, ORDER)

    for seconds in waits:
        answered = adapter.poll(ORDER, handle)
        assert isinstance(answered, Pending)
        assert answered.retry_after == seconds
        handle = {**handle, **(answered.handle or {})}


def test_polls_that_are_throttled_wait_as_long_as_told(simulator: Simulator) -> None:
    simulator.script("poll_throttled")
    adapter = build(simulator.address)

    assert adapter.poll(ORDER, submitted(adapter, ORDER)) == Pending(3)


def test_a_wrong_key_is_our_fault(simulator: Simulator) -> None:
    stranger = BlackForestLabs(simulator.address, "another", connections=1, limits=PATIENT)

    with pytest.raises(Misconfigured, match="Not authenticated"):
        stranger.submit(ORDER)


def test_a_list_of_faults_is_readable_and_repeats_nothing() -> None:
    faults = [
        {
            "type": "multiple_of",
            "loc": ["body", "width"],
            "msg": "Input should be a multiple of 32",
            "input": PROMPT,
        },
        {"type": "odd", "loc": ["body"], "msg": "Too much"},
    ]
    refused = answer(422, dumps({"detail": [*faults, 7]}).encode())

    with Upstream.answering(refused) as upstream, pytest.raises(Rejected) as caught:
        build(upstream.address).submit(ORDER)

    assert caught.value.public == "width: Input should be a multiple of 32; Too much; unreadable"


@pytest.mark.parametrize(
    "polling_url",
    [
        "https://api.bfl.ai/v1/get_result?id=1",
        "http://evil.example/v1/get_result?id=1",
        "http://127.0.0.1:1/v1/get_result?id=1",
        "http://127.0.0.1@evil.example/",
        "/v1/get_result?id=1",
        "",
    ],
)
def test_a_task_to_be_polled_elsewhere_is_refused(polling_url: str) -> None:
    told = answer(200, dumps({"id": "1", "polling_url": polling_url}).encode())

    with Upstream.answering(told) as upstream, pytest.raises(Misconfigured):
        build(upstream.address).submit(ORDER)

    assert len(upstream.received) == 1


@pytest.mark.parametrize(
    ("base_url", "polling_host"),
    [
        ("https://api.bfl.ai", "api.bfl.ai"),
        ("https://api.bfl.ai", "api.eu4.bfl.ai"),
        ("https://api.eu.bfl.ai", "api.us2.bfl.ai"),
        ("https://bfl.internal", "eu.bfl.internal"),
    ],
)
def test_the_key_goes_to_the_hosts_of_the_providers_domain(base_url: str, polling_host: str) -> None:
    allowed = downloads(base_url, connections=1, limits=PATIENT)

    assert allowed.trusts(f"https://{polling_host}/v1/get_result?id=1")


@pytest.mark.parametrize(
    ("base_url", "host"),
    [
        ("https://bfl.internal", "api.eu4.bfl.ai"),
        ("https://api.bfl.ai", "bfldeliveryprodeu1.blob.core.windows.net"),
        ("https://api.bfl.ai", "api.bfl.ai.evil.example"),
        ("https://api.bfl.ai", "evilbfl.ai"),
    ],
)
def test_the_key_goes_to_no_other_host(base_url: str, host: str) -> None:
    allowed = downloads(base_url, connections=1, limits=PATIENT)

    assert not allowed.trusts(f"https://{host}/v1/get_result?id=1")


@pytest.mark.parametrize(
    "host", ["delivery-eu4.bfl.ai", "delivery.eu4.bfl.ai", "bfldeliveryprodeu1.blob.core.windows.net"]
)
def test_pictures_are_fetched_from_where_bfl_delivers_them(host: str) -> None:
    allowed = downloads("https://api.bfl.ai", connections=1, limits=PATIENT)

    assert allowed.allows(f"https://{host}/results/a/sample.png?se=2026-11-23T15%3A39%3A55Z&sig=a%2Bb%3D")


@pytest.mark.parametrize(
    "sample",
    ["https://evil.example/a.png", "http://127.0.0.1:1/a.png", "http://169.254.169.254/latest", "file:///a.png"],
)
def test_a_picture_that_lies_elsewhere_is_not_fetched(sample: str) -> None:
    with Upstream.answering(b"") as upstream, pytest.raises(Misconfigured):
        a_poll(upstream, status="Ready", result={"sample": sample})

    assert len(upstream.received) == 1


@pytest.mark.parametrize("result", [None, [], {}, {"sample": None}, {"sample": 7}])
def test_a_task_that_is_ready_without_a_picture_is_unknown(result: Any) -> None:
    with Upstream.answering(b"") as upstream, pytest.raises(OutcomeUnknown):
        a_poll(upstream, status="Ready", result=result)
