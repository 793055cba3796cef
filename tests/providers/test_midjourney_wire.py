"""Midjourney's adapter byte by byte: what is sent, and what becomes of answers that no simulator gives."""

from dataclasses import replace
from json import dumps
from typing import Any

import pytest

from core import settings
from core.errors import SettingsError
from core.generation import Size
from tests.providers.midjourney import ORDER, build
from tests.providers.upstream import Upstream, answer
from tests.providers.wire_conformance import KEY
from tests.required import REQUIRED
from workers.providers import registry
from workers.providers.base import Accepted, Order, Pending
from workers.providers.errors import (
    Misconfigured,
    Moderated,
    OutcomeUnknown,
    ProviderError,
    Rejected,
    Throttled,
    Unavailable,
)
from workers.providers.midjourney import Midjourney

FOX = replace(ORDER, prompt="a fox")
TAIL = "--ar 1:1 --v 6"


def told(http: int = 200, /, **body: Any) -> bytes:
    return answer(http, dumps(body).encode())


def sent(order: Order) -> str:
    with Upstream.answering(told(code=1, description="", result="1320098173412546")) as upstream:
        build(upstream.address).submit(order)
    [received] = upstream.received
    assert received.line == "POST /mj/submit/imagine HTTP/1.1"
    assert received.headers["mj-api-secret"] == KEY
    body = received.json()
    assert list(body) == ["prompt"]
    return str(body["prompt"])


@pytest.mark.parametrize(
    ("change", "prompt"),
    [
        ({}, f"a fox {TAIL}"),
        ({"upstream_model": "v6.1"}, "a fox --ar 1:1 --v 6.1"),
        ({"size": Size(1792, 1024)}, "a fox --ar 7:4 --v 6"),
        ({"size": Size(1024, 1536)}, "a fox --ar 2:3 --v 6"),
        ({"style": "natural"}, f"a fox --style raw {TAIL}"),
        ({"style": "vivid"}, f"a fox {TAIL}"),
        ({"quality": "hd"}, f"a fox --q 2 {TAIL}"),
        ({"extras": {"seed": 0}}, f"a fox --seed 0 {TAIL}"),
        ({"extras": {"seed": 4294967295}, "first": 4}, f"a fox --seed 3 {TAIL}"),
        ({"extras": {"negative_prompt": "dogs, cats --v 5"}}, f"a fox --no dogs, cats -v 5 {TAIL}"),
        ({"extras": {"negative_prompt": ""}}, f"a fox {TAIL}"),
    ],
)
def test_an_order_on_the_wire(change: dict[str, Any], prompt: str) -> None:
    assert sent(replace(FOX, **change)) == prompt


@pytest.mark.parametrize(
    ("words", "harmless"),
    [
        ("a fox --v 5", "a fox -v 5"),
        ("a fox —v 5", "a fox -v 5"),
        ("a fox –ar 9:16", "a fox -ar 9:16"),  # noqa: RUF001 - an en dash, on purpose
        ("a fox -- ar 9:16", "a fox - ar 9:16"),
        ("a fox ---no fur", "a fox -no fur"),
        ("a fox -\u200b-v 5", "a fox -v 5"),
        ("a fox －－v 5", "a fox -v 5"),  # noqa: RUF001 - of full width
        ("a fox\n\n--v\t5", "a fox -v 5"),
        ("a {red, green} fox", "a (red, green) fox"),
        ("a well-known fox - at night", "a well-known fox - at night"),
    ],
)
def test_no_words_of_the_caller_can_be_read_as_a_parameter(words: str, harmless: str) -> None:
    assert sent(replace(FOX, prompt=words)) == f"{harmless} {TAIL}"


@pytest.mark.parametrize("result", ["1320098173412546", 1320098173412546])
@pytest.mark.parametrize("code", [1, 21, 22])
def test_an_accepted_task_is_remembered_by_its_id(code: int, result: object) -> None:
    with Upstream.answering(told(code=code, description="", result=result)) as upstream:
        answered = build(upstream.address).submit(FOX)

    assert answered == Accepted({"task": "1320098173412546"})


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (told(code=1, description="", result=None), OutcomeUnknown),
        (told(code=1, description="", result="../task/list"), OutcomeUnknown),
        (told(code=5, description="", result="1320098173412546"), OutcomeUnknown),
        (told(code=23, description="", result="1320098173412546"), Throttled),
        (told(code=9, description="Submit failed, the queue is full"), Throttled),
        (told(code=9, description="Submit failed"), Unavailable),
        (told(429, code=30, description=""), Throttled),
        (told(400, code=4, description="quota_not_enough"), Misconfigured),
        (told(400, code=24, description=""), Moderated),
        (told(404, code=3, description=""), Unavailable),
        (told(502, code=502, description=""), Unavailable),
        (told(401, code=1, result="1320098173412546"), Misconfigured),
    ],
)
def test_a_code_says_what_to_do_whatever_its_status(reply: bytes, kind: type[ProviderError]) -> None:
    with Upstream.answering(reply) as upstream, pytest.raises(ProviderError) as caught:
        build(upstream.address).submit(FOX)

    assert type(caught.value) is kind


def test_a_word_on_the_prompt_reaches_the_caller() -> None:
    with Upstream.answering(told(code=4, description="too long")) as upstream, pytest.raises(Rejected) as caught:
        build(upstream.address).submit(FOX)

    assert caught.value.public == "too long"


@pytest.mark.parametrize("reply", [answer(200), answer(204), answer(200, b"null"), told(404, code=3)])
def test_a_task_that_the_proxy_does_not_know_may_still_turn_up(reply: bytes) -> None:
    with Upstream.answering(reply) as upstream:
        answered = build(upstream.address).poll(FOX, {"task": "1"})

    assert answered == Pending(handle={"task": "1", "misses": 1})


@pytest.mark.parametrize("status", ["NOT_START", "SUBMITTED", "IN_PROGRESS", "DREAMING", None])
def test_a_task_in_a_state_that_nobody_knows_is_waited_for(status: str | None) -> None:
    with Upstream.answering(told(status=status, imageUrl="http://preview.example/1.png")) as upstream:
        answered = build(upstream.address).poll(FOX, {"task": "1"})

    assert answered == Pending()
    assert len(upstream.received) == 1


@pytest.mark.parametrize("host", ["169.254.169.254", "evil.example", "cdn.discordapp.com.evil.example"])
def test_a_picture_is_fetched_from_no_other_host(host: str) -> None:
    reply = told(status="SUCCESS", imageUrl=f"http://{host}/1.png", imageUrls=[])

    with Upstream.answering(reply) as upstream, pytest.raises(Misconfigured):
        build(upstream.address).poll(FOX, {"task": "1"})


def built_from(**environment: str) -> Midjourney:
    given = settings.read(REQUIRED | environment)
    adapter = registry.build("midjourney", given, connections=1)
    assert isinstance(adapter, Midjourney)
    return adapter


@pytest.mark.parametrize("split", ["", "crop", "upscale"])
def test_the_settings_make_an_adapter(split: str) -> None:
    with Upstream.answering(told(code=1, result="1")) as upstream:
        address = f"{upstream.address}/mj-fast/"
        built_from(MIDJOURNEY_BASE_URL=address, MIDJOURNEY_API_SECRET=KEY, MIDJOURNEY_SPLIT=split).submit(FOX)

    [received] = upstream.received
    assert received.line == "POST /mj-fast/mj/submit/imagine HTTP/1.1"
    assert received.headers["mj-api-secret"] == KEY


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"MIDJOURNEY_API_SECRET": KEY}, "MIDJOURNEY_BASE_URL"),
        ({"MIDJOURNEY_BASE_URL": "http://127.0.0.1:1"}, "MIDJOURNEY_API_SECRET"),
        ({"MIDJOURNEY_SPLIT": "in half"}, "MIDJOURNEY_SPLIT"),
    ],
)
def test_a_setting_that_is_missing_or_unreadable_is_named(environment: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        built_from(**environment)
