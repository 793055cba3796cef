import json
from typing import Any

import pytest

from sandbox.simulators.openai_errors import ApiError
from sandbox.simulators.openai_requests import ImageRequest, parse

D2, D3, GPT = "dall-e-2", "dall-e-3", "gpt-image-2"
LIMITS = {D2: 1000, D3: 4000, GPT: 32000}
REFUSED: list[tuple[dict[str, Any], str | None, str | None, str]] = [
    ({"model": "gpt-image-1"}, "invalid_value", "model", "The model 'gpt-image-1' does not exist."),
    ({"model": 7}, "invalid_type", "model", "Invalid type for 'model': expected a string, but got an integer"),
    ({"model": GPT, "prompt": ""}, "empty_string", "prompt", "Invalid 'prompt': empty string."),
    ({"prompt": None}, "invalid_type", "prompt", "expected a string, but got null instead."),
    ({"model": GPT, "n": 0}, "integer_below_min_value", "n", "Expected a value >= 1, but got 0 instead."),
    ({"model": GPT, "n": 11}, "integer_above_max_value", "n", "Expected a value <= 10, but got 11 instead."),
    ({"n": "2"}, "invalid_type", "n", "Invalid type for 'n': expected an integer, but got a string instead."),
    ({"n": 1.5}, "invalid_type", "n", "a decimal number instead."),
    ({"n": True}, "invalid_type", "n", "a boolean instead."),
    ({"model": D2, "n": 15}, None, None, "15 is greater than the maximum of 10 - 'n'"),
    ({"model": D2, "n": 0}, None, None, "0 is less than the minimum of 1 - 'n'"),
    ({"model": D3, "n": 2}, None, None, "You must provide n=1 for this model."),
    ({"model": D3, "size": "512x512"}, "invalid_size", None, "The size is not supported by this model."),
    ({"model": D2, "size": "1792x1024"}, "invalid_size", None, "The size is not supported by this model."),
    ({"model": D3, "size": "32x32"}, None, None, "'32x32' is not one of ['256x256', '512x512', '1024x1024', "),
    ({"model": D3, "quality": "low"}, "invalid_value", "quality", "'standard', 'hd', and 'auto'."),
    ({"model": D2, "quality": "hd"}, "invalid_value", "quality", "Invalid value: 'hd'."),
    ({"model": D3, "style": "loud"}, "invalid_value", "style", "Supported values are: 'vivid' and 'natural'."),
    ({"model": D3, "stream": True}, "unknown_parameter", "stream", "Unknown parameter: 'stream'."),
    ({"model": D3, "seed": 1}, "unknown_parameter", "seed", "Unknown parameter: 'seed'."),
    ({"model": D3, "user": None}, "invalid_type", "user", "expected a string, but got null"),
    ({"model": GPT, "response_format": None}, "unknown_parameter", "response_format", "Unknown parameter: "),
    ({"model": GPT, "style": "vivid"}, "unknown_parameter", "style", "Unknown parameter: 'style'."),
    (
        {"model": GPT, "quality": "standard"},
        "invalid_value",
        "quality",
        "Invalid value: 'standard'. Supported values are: 'low', 'medium', 'high', and 'auto'.",
    ),
    ({"model": GPT, "quality": "max"}, "invalid_value", "quality", "Invalid value: 'max'."),
    ({"model": GPT, "quality": 3}, "invalid_type", "quality", "'low', 'medium', 'high', or 'auto', but got an "),
    ({"model": GPT, "output_format": "gif"}, "invalid_value", "output_format", "Invalid value: 'gif'."),
    ({"model": GPT, "moderation": "off"}, "invalid_value", "moderation", "'low' and 'auto'."),
    ({"model": GPT, "size": "big"}, "invalid_value", "size", "Expected WIDTHxHEIGHT, for example '1824x1024'."),
    ({"model": GPT, "size": "1000x1000"}, "invalid_value", "size", "must both be divisible by 16."),
    ({"model": GPT, "size": "1600x512"}, "invalid_value", "size", "between 1:3 and 3:1."),
    ({"model": GPT, "size": "3840x2176"}, "invalid_value", "size", "The maximum is 3840x2160."),
    ({"model": GPT, "partial_images": 1}, "unsupported_parameter", "partial_images", "'stream' is true"),
    ({"model": GPT, "output_compression": 50}, "invalid_png_output_compression", "output_compression", "PNG"),
    ({"model": GPT, "background": "transparent", "output_format": "jpeg"}, "invalid_value", "background", "JPEG"),
]


def parsed(**fields: Any) -> ImageRequest:
    return parse(json.dumps(fields).encode(), "application/json; charset=utf-8")


@pytest.mark.parametrize(("fields", "code", "param", "text"), REFUSED)
def test_a_broken_rule_is_refused_in_openais_words(
    fields: dict[str, Any], code: str | None, param: str | None, text: str
) -> None:
    with pytest.raises(ApiError) as refused:
        parsed(**{"prompt": "a fox", **fields})

    assert text in refused.value.message
    assert (refused.value.status, refused.value.code, refused.value.param) == (400, code, param)


@pytest.mark.parametrize(("model", "code"), [(D3, None), (GPT, "missing_required_parameter")])
def test_a_prompt_is_required(model: str, code: str | None) -> None:
    with pytest.raises(ApiError) as refused:
        parsed(model=model)

    assert refused.value.code == code


@pytest.mark.parametrize("model", LIMITS)
def test_a_prompt_of_the_longest_length_is_taken_and_one_character_more_is_not(model: str) -> None:
    longest = "ö" * LIMITS[model]

    taken = parsed(model=model, prompt=longest)

    assert taken.prompt == longest
    with pytest.raises(ApiError, match="length"):
        parsed(model=model, prompt=longest + "x")


@pytest.mark.parametrize(
    "mistakes",
    [
        {"model": "no-such", "seed": 1, "n": "2"},
        {"seed": 1, "prompt": "", "n": 0},
        {"prompt": "", "n": 0, "quality": "loud"},
        {"n": 0, "quality": "loud", "size": "big"},
        {"quality": "loud", "size": "big"},
    ],
)
def test_the_first_of_several_mistakes_is_named_whatever_their_order(mistakes: dict[str, Any]) -> None:
    backwards = dict(reversed(mistakes.items()))

    with pytest.raises(ApiError) as refused:
        parsed(**{**backwards, "model": mistakes.get("model", GPT), "prompt": mistakes.get("prompt", "a fox")})

    assert refused.value.param == next(iter(mistakes))


def test_null_is_as_good_as_absent() -> None:
    nulls = dict.fromkeys(["model", "n", "size", "quality", "response_format"])

    request = parsed(prompt="a fox", **nulls)

    assert request == parsed(prompt="a fox")
    assert (request.model.id, request.n, request.size) == (D2, 1, "1024x1024")


@pytest.mark.parametrize("size", ["3840x2160", "2160x3840", "1536x512", "16x16"])
def test_gpt_image_takes_sizes_up_to_the_edge_of_the_rules(size: str) -> None:
    request = parsed(model=GPT, prompt="a fox", size=size)

    assert "x".join(map(str, request.pixels)) == size
