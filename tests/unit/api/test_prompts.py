import pytest

from api.validation import parse
from core.errors import InvalidRequest
from tests.unit.api.asking import CATALOG, DALL_E_2, DALL_E_3, LONE, accept, refuse


def test_a_missing_prompt_is_named() -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse({"model": DALL_E_2}, CATALOG, None)

    assert refused.value.message == "Missing required parameter: 'prompt'."
    assert (refused.value.code, refused.value.param) == ("missing_required_parameter", "prompt")


def test_an_empty_prompt_is_refused() -> None:
    refused = refuse(prompt="")

    assert refused.message == (
        "Invalid 'prompt': empty string. Expected a string with minimum length 1, but got an empty string instead."
    )
    assert (refused.code, refused.param) == ("empty_string", "prompt")


@pytest.mark.parametrize("prompt", [" ", "\n\t", "x", "renard à la forêt", "狐", "🦊"])
def test_any_text_is_a_prompt_and_is_kept_as_it_is(prompt: str) -> None:
    assert accept(prompt=prompt).prompt == prompt


@pytest.mark.parametrize(("model", "longest"), [(DALL_E_2, 1000), (DALL_E_3, 4000)])
@pytest.mark.parametrize("character", ["x", "é", "狐", "🦊"])
def test_a_prompt_is_as_long_as_its_characters(model: str, longest: int, character: str) -> None:
    assert accept(model=model, prompt=character * longest).prompt == character * longest

    refused = refuse(model=model, prompt=character * (longest + 1))

    assert refused.message == (
        f"Invalid 'prompt': string too long. Expected a string with maximum length {longest}, "
        f"but got a string with length {longest + 1} instead."
    )
    assert (refused.code, refused.param) == ("string_above_max_length", "prompt")


@pytest.mark.parametrize("prompt", ["\0", "a\0fox", LONE, "a fox\udfff"])
def test_a_prompt_that_no_database_could_keep_is_refused(prompt: str) -> None:
    refused = refuse(prompt=prompt)

    assert refused.message == "Invalid 'prompt': it holds characters that are not text."
    assert (refused.code, refused.param) == ("invalid_value", "prompt")
