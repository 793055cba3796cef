from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from http import HTTPStatus
from io import BytesIO
from json import dumps
from typing import Any

import pytest
from PIL import Image

from core.generation import Size
from tests.providers.conformance import KEY, PATIENT, PROMPT
from tests.providers.simulator import Simulator
from tests.providers.upstream import Upstream, a_closed_port, answer
from workers.providers.base import Accepted, Delivered, Order, Pending, RawPicture
from workers.providers.bfl import BlackForestLabs, downloads
from workers.providers.errors import (
    Misconfigured,
    Moderated,
    OutcomeUnknown,
    ProviderError,
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
POLLS = 10


@pytest.fixture(scope="module")
def running_simulator() -> Iterator[Simulator]:
    with Simulator.running("bfl", KEY) as simulator:
        yield simulator


def build(address: str, limits: Limits = PATIENT) -> BlackForestLabs:
    return BlackForestLabs(address, KEY, connections=4, limits=limits)


def accepted(adapter: BlackForestLabs, order: Order = ORDER) -> dict[str, Any]:
    answered = adapter.submit(order)
    assert isinstance(answered, Accepted)
    return dict(answered.handle)


def picture(adapter: BlackForestLabs, order: Order = ORDER) -> RawPicture:
    """The picture, asked for as often as it takes."""
    return polled(adapter, order, accepted(adapter, order))[0]


def polled(adapter: BlackForestLabs, order: Order, handle: dict[str, Any]) -> tuple[RawPicture, list[Pending]]:
    waits: list[Pending] = []
    for _ in range(POLLS):
        answered = adapter.poll(order, handle)
        if isinstance(answered, Delivered):
            [delivered] = answered.pictures
            return delivered, waits
        waits.append(answered)
        handle = dict(answered.handle or handle)
    raise AssertionError("no picture came")


def a_poll(upstream: Upstream, **body: Any) -> None:
    """Ask once what the upstream is told to say."""
    upstream.answer = answer(200, dumps(body).encode())
    build(upstream.address).poll(ORDER, {"id": "1", "polling_url": f"{upstream.address}/v1/get_result?id=1"})


@pytest.mark.parametrize("order", [ORDER, FLUX_2, replace(FLUX_2, size=Size(1792, 1024))])
def test_a_picture_comes_as_png_at_the_size_ordered(simulator: Simulator, order: Order) -> None:
    image = Image.open(BytesIO(picture(build(simulator.address), order).data))

    assert (image.format, image.size) == ("PNG", order.size)
    assert [charge["n"] for charge in simulator.charges()] == [1]


def test_ultra_draws_its_own_four_million_pixels(simulator: Simulator) -> None:
    image = Image.open(BytesIO(picture(build(simulator.address), replace(ULTRA, size=Size(1792, 1024))).data))

    assert image.size == (2752, 1536)


def test_equal_orders_are_two_tasks_and_two_pictures(simulator: Simulator) -> None:
    adapter = build(simulator.address)

    assert picture(adapter).data != picture(adapter).data
    assert len(simulator.charges()) == 2


def test_a_seed_is_the_first_of_as_many_as_there_are_pictures(simulator: Simulator) -> None:
    adapter, seeded = build(simulator.address), replace(ORDER, extras={"seed": 7})

    first, second = picture(adapter, seeded), picture(adapter, replace(seeded, first=1))

    assert first.data != second.data
    assert first.data == picture(adapter, seeded).data


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


def test_another_process_goes_on_with_the_handle_alone(simulator: Simulator) -> None:
    simulator.script("pending")
    first = build(simulator.address)
    handle = accepted(first)
    first.poll(ORDER, handle)

    delivered, _ = polled(build(simulator.address), ORDER, handle)

    assert Image.open(BytesIO(delivered.data)).size == ORDER.size
    assert len(simulator.charges()) == 1
    assert handle.keys() == {"id", "polling_url"}
    assert KEY not in str(handle)


@pytest.mark.parametrize(
    ("outcome", "waits"), [("pending", [1, 1]), ("interim", [1, 1]), ("not_found_at_first", [2, 2, 2])]
)
def test_a_task_that_goes_on_is_polled_when_it_was_said_to(
    simulator: Simulator, outcome: str, waits: list[float]
) -> None:
    simulator.script(outcome)
    adapter = build(simulator.address)

    _, waited = polled(adapter, ORDER, accepted(adapter))

    assert [wait.retry_after for wait in waited] == waits


def test_polls_that_are_throttled_wait_as_long_as_told(simulator: Simulator) -> None:
    simulator.script("poll_throttled")
    adapter = build(simulator.address)

    assert adapter.poll(ORDER, accepted(adapter)) == Pending(3)


def test_a_task_that_is_never_found_is_lost_and_may_have_been_charged(simulator: Simulator) -> None:
    simulator.script("lost")
    adapter = build(simulator.address)
    handle = accepted(adapter)

    for _ in range(5):
        waiting = adapter.poll(ORDER, handle)
        assert isinstance(waiting, Pending)
        handle = dict(waiting.handle or {})

    with pytest.raises(OutcomeUnknown):
        build(simulator.address).poll(ORDER, handle)
    assert len(simulator.charges()) == 1


@pytest.mark.parametrize("outcome", ["poll_forbidden", "poll_unavailable", "poll_drop"])
def test_a_poll_that_fails_can_be_repeated_and_the_picture_still_comes(simulator: Simulator, outcome: str) -> None:
    simulator.script(outcome)
    adapter = build(simulator.address)
    handle = accepted(adapter)

    for _ in range(2):
        with pytest.raises(Unavailable) as caught:
            adapter.poll(ORDER, handle)
        assert not isinstance(caught.value, TaskFailed)

    assert isinstance(adapter.poll(ORDER, handle), Delivered)
    assert len(simulator.charges()) == 1


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [
        ("request_moderated", Moderated),
        ("content_moderated", Moderated),
        ("error", TaskFailed),
        ("error_422", TaskFailed),
        ("error_503", TaskFailed),
    ],
)
def test_an_end_without_a_picture_says_what_to_do_and_costs_nothing(
    simulator: Simulator, outcome: str, kind: type[ProviderError]
) -> None:
    simulator.script(outcome)
    adapter = build(simulator.address)
    handle = accepted(adapter)

    with pytest.raises(ProviderError) as caught:
        adapter.poll(ORDER, handle)

    assert type(caught.value) is kind
    assert simulator.charges() == []


def test_a_picture_whose_address_has_expired_is_fetched_by_one_signed_anew(simulator: Simulator) -> None:
    simulator.script("sample_expired")
    adapter = build(simulator.address)
    handle = accepted(adapter)

    delivered = adapter.poll(ORDER, handle)

    assert isinstance(delivered, Delivered)
    assert Image.open(BytesIO(delivered.pictures[0].data)).size == ORDER.size
    assert len(simulator.charges()) == 1


def test_a_picture_that_is_never_given_out_was_made_and_charged(simulator: Simulator) -> None:
    simulator.script("sample_forbidden")
    adapter = build(simulator.address)

    with pytest.raises(OutcomeUnknown):
        adapter.poll(ORDER, accepted(adapter))

    assert len(simulator.charges()) == 1


@pytest.mark.parametrize("outcome", ["drop", "garbage", "empty"])
def test_a_lost_answer_is_unknown_and_was_charged_once(simulator: Simulator, outcome: str) -> None:
    simulator.script(outcome)

    with pytest.raises(OutcomeUnknown):
        build(simulator.address).submit(ORDER)

    assert [charge["outcome"] for charge in simulator.charges()] == [outcome]


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [
        ("insufficient_credits", Misconfigured),
        ("invalid_api_key", Misconfigured),
        ("malformed_api_key", Misconfigured),
        ("model_gone", Misconfigured),
        ("bad_request", Rejected),
        ("too_many_tasks", Throttled),
        ("server_error", Unavailable),
        ("service_unavailable", Unavailable),
    ],
)
def test_each_refusal_says_what_to_do_and_tells_no_secret(
    simulator: Simulator, outcome: str, kind: type[ProviderError], caplog: pytest.LogCaptureFixture
) -> None:
    simulator.script(outcome)
    caplog.set_level(0)

    with pytest.raises(ProviderError) as caught:
        build(simulator.address).submit(ORDER)

    told = f"{caught.value!r} {caught.value.public} {caplog.text}"
    assert type(caught.value) is kind
    assert simulator.charges() == []
    assert KEY not in told
    assert PROMPT not in told


@pytest.mark.parametrize(("outcome", "seconds"), [("too_many_tasks", 2), ("too_many_tasks_for_long", 17)])
def test_too_many_tasks_wait_as_long_as_told_or_for_a_moment(
    simulator: Simulator, outcome: str, seconds: float
) -> None:
    simulator.script(outcome)

    with pytest.raises(Throttled) as caught:
        build(simulator.address).submit(ORDER)

    assert caught.value.retry_after == seconds


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


def test_a_poll_that_redirects_takes_the_key_nowhere() -> None:
    with Upstream.answering(answer(200)) as elsewhere:
        moved = answer(302, location=elsewhere.address)
        with Upstream.answering(moved) as upstream, pytest.raises(Misconfigured):
            build(upstream.address).poll(ORDER, {"polling_url": f"{upstream.address}/v1/get_result?id=1"})

    assert elsewhere.received == []


def test_a_poll_that_nobody_answers_is_unavailable() -> None:
    with a_closed_port() as port, pytest.raises(Unavailable):
        build(f"http://127.0.0.1:{port}").poll(ORDER, {"polling_url": f"http://127.0.0.1:{port}/v1/get_result"})


@pytest.mark.parametrize("status", [200, 202, 204, 300, 400, 401, 403, 404, 422, 429, 451, 500, 503, 529])
@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b'{"status": []}', b'{"status": "\\u0000"}', bytes(range(256))]
)
def test_whatever_a_poll_says_it_goes_on_or_is_a_provider_error(status: int, body: bytes) -> None:
    told = answer(status, b"" if status == HTTPStatus.NO_CONTENT else body)

    with Upstream.answering(told) as upstream, suppress(ProviderError):
        answered = build(upstream.address).poll(ORDER, {"polling_url": f"{upstream.address}/"})

        assert isinstance(answered, Pending)
