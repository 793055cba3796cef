import json

import pytest
from flask import Request
from werkzeug.test import EnvironBuilder

from api.bodies import read_json
from core.errors import InvalidRequest


def post(body: str | bytes, content_type: str | None = "application/json") -> Request:
    data = body.encode() if isinstance(body, str) else body
    return Request(EnvironBuilder(method="POST", data=data, content_type=content_type).get_environ())


def refuse_body(body: str | bytes, content_type: str | None = "application/json") -> InvalidRequest:
    with pytest.raises(InvalidRequest) as refused:
        read_json(post(body, content_type))
    return refused.value


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nothing",
        b"{'prompt': 'a fox'}",
        b'{"prompt": "a fox",}',
        b'{"prompt": "\xff"}',
        b'{"n": NaN}',
        b'{"n": -Infinity}',
        b'{"n": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
    ],
    ids=lambda body: repr(body[:12]),
)
def test_a_body_that_is_not_json_is_refused(body: bytes) -> None:
    refused = refuse_body(body)

    assert refused.message.startswith("We could not parse the JSON body of your request. (HINT:")
    assert (refused.code, refused.param, refused.type) == (None, None, "invalid_request_error")


@pytest.mark.parametrize(
    ("body", "kind"),
    [("[]", "an array"), ('"a fox"', "a string"), ("null", "null"), ("7", "an integer"), ("true", "a boolean")],
)
def test_a_body_is_an_object(body: str, kind: str) -> None:
    refused = refuse_body(body)

    assert refused.message == f"Invalid type for the request body: expected an object, but got {kind} instead."
    assert (refused.code, refused.param) == ("invalid_type", None)


def test_of_a_name_given_twice_the_last_one_counts() -> None:
    assert read_json(post('{"n": 1, "n": 2}')) == {"n": 2}


def test_nesting_that_json_can_carry_is_carried() -> None:
    body = read_json(post('{"prompt":' + "[" * 500 + "]" * 500 + "}"))

    assert isinstance(body["prompt"], list)


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/json; charset=utf-8", "Application/JSON", "application/json;charset=UTF-8"],
)
def test_json_may_name_its_charset(content_type: str) -> None:
    assert read_json(post('{"prompt": "狐"}', content_type)) == {"prompt": "狐"}


def test_an_escaped_pair_of_surrogates_is_one_character() -> None:
    assert read_json(post(json.dumps({"prompt": "🦊"}))) == {"prompt": "🦊"}


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "application/jsonl", "multipart/form-data"]
)
def test_another_content_type_is_refused_by_name(content_type: str) -> None:
    refused = refuse_body('{"prompt": "a fox"}', content_type)

    assert refused.message.startswith(f"Unsupported content type: '{content_type}'. This API method only accepts")
    assert (refused.code, refused.param) == (None, None)


def test_a_body_without_a_content_type_is_refused() -> None:
    assert refuse_body('{"prompt": "a fox"}', None).message.startswith("Unsupported content type: ''.")
