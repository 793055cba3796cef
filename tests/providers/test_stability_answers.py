from base64 import b64encode
from typing import Any

import pytest

from tests.providers.test_stability import ORDER, build
from tests.providers.upstream import Upstream, answer
from tests.providers.wire_conformance import KEY
from workers.providers.base import RawPicture
from workers.providers.errors import (
    Misconfigured,
    Moderated,
    OutcomeUnknown,
    ProviderError,
    Rejected,
    Throttled,
    Unavailable,
)

ENCODED = b64encode(b"a picture").decode()
JSON_OF_PNG = "application/json; type=image/png"


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
        answered(json_answer(image=ENCODED, finish_reason="SUCCESS", seed=7), JSON_OF_PNG),
        answered(json_answer(image=ENCODED), "application/json"),
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
