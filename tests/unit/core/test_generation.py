import dataclasses
import json

import pytest

from core.generation import GenerationRequest, ResponseFormat, Size

REQUEST = GenerationRequest(
    model="dall-e-3",
    prompt='狐 "in" the\nsnow 🦊',
    n=1,
    size=Size(1024, 1792),
    quality="hd",
    style="vivid",
    response_format=ResponseFormat.B64_JSON,
)


def test_a_size_is_written_width_first() -> None:
    size = Size.parse("1024x1792")

    assert (size.width, size.height) == (1024, 1792)
    assert str(size) == "1024x1792"


@pytest.mark.parametrize("text", ["", "1024", "1024x", "x1024", "axb", "1x2x3", "auto"])
def test_a_size_that_is_none_is_not_guessed(text: str) -> None:
    with pytest.raises(ValueError, match=r"unpack|invalid literal"):
        Size.parse(text)


@pytest.mark.parametrize("style", ["vivid", None])
def test_a_request_survives_the_ledger_unchanged(style: str | None) -> None:
    request = dataclasses.replace(REQUEST, style=style)

    read_back = GenerationRequest.from_json(json.loads(json.dumps(request.to_json())))

    assert read_back == request
    assert isinstance(read_back.size, Size)
    assert read_back.response_format is ResponseFormat.B64_JSON


def test_a_request_is_kept_in_the_words_of_the_contract() -> None:
    kept = REQUEST.to_json()

    assert kept["size"] == "1024x1792"
    assert kept["response_format"] == "b64_json"
    assert set(kept) == {field.name for field in dataclasses.fields(GenerationRequest)}
