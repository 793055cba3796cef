from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from api.answers import response_headers
from api.validation import Checked, parse
from core.catalog import Catalog
from core.errors import InvalidRequest
from core.generation import ResponseFormat, Size

DALL_E_2, SD_3, GPT = "dall-e-2", "stable-diffusion-3", "gpt-image-2"
CATALOG = Catalog.load(None, {"openai", "stability"})
EXTRAS = {"negative_prompt": "dogs", "seed": 7, "style_preset": "anime"}
LONE = "\ud800"


def catalog_with(path: Path, text: str) -> Catalog:
    path.write_text(text)
    return Catalog.load(str(path), {"openai", "stability"})


@pytest.fixture
def with_gpt(tmp_path: Path) -> Catalog:
    return catalog_with(tmp_path / "own.toml", f"models.{GPT}.enabled = true")


def ask(catalog: Catalog, **body: Any) -> Checked:
    return parse({"model": GPT, "prompt": "a fox", **body}, catalog, None)


def refuse(catalog: Catalog, **body: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as refused:
        ask(catalog, **body)
    return refused.value


def test_what_a_model_takes_beyond_the_contract_is_carried() -> None:
    assert ask(CATALOG, model=SD_3, **EXTRAS).request.extras == EXTRAS
    assert ask(CATALOG, model=SD_3).request.extras == {}


@pytest.mark.parametrize(
    ("name", "value"), [("negative_prompt", None), ("negative_prompt", ""), ("seed", None), ("style_preset", None)]
)
def test_null_and_an_empty_text_are_no_extras(name: str, value: object) -> None:
    assert ask(CATALOG, model=SD_3, **{name: value}).request.extras == {}


@pytest.mark.parametrize("seed", [0, 4_294_967_294])
def test_a_seed_is_any_of_its_range(seed: int) -> None:
    assert ask(CATALOG, model=SD_3, seed=seed).request.extras == {"seed": seed}


@pytest.mark.parametrize(
    ("name", "value"),
    [*EXTRAS.items(), ("seed", None), ("seed", "x"), ("background", "opaque"), ("moderation", 1)],
)
@pytest.mark.parametrize("body", [{}, {"prompt": "", "n": 0}])
def test_an_extra_of_another_model_is_unknown_before_all_else(
    name: str, value: object, body: dict[str, Any]
) -> None:
    refused = refuse(CATALOG, model=DALL_E_2, **body, **{name: value})

    assert refused.message == f"Unknown parameter: '{name}'."
    assert (refused.code, refused.param) == ("unknown_parameter", name)


@pytest.mark.parametrize(
    ("name", "value", "message", "code"),
    [
        ("seed", True, "Invalid type for 'seed': expected an integer, but got a boolean instead.", "invalid_type"),
        ("seed", "7", "Invalid type for 'seed': expected an integer, but got a string instead.", "invalid_type"),
        ("seed", 7.0, "expected an integer, but got a decimal number instead.", "invalid_type"),
        (
            "seed",
            -1,
            "Invalid 'seed': integer below minimum value. Expected a value >= 0, but got -1 instead.",
            "integer_below_min_value",
        ),
        (
            "seed",
            4_294_967_295,
            "Invalid 'seed': integer above maximum value. Expected a value <= 4294967294, but got 4294967295",
            "integer_above_max_value",
        ),
        (
            "negative_prompt",
            "x" * 10_001,
            "Expected a string with maximum length 10000, but got a string with length 10001 instead.",
            "string_above_max_length",
        ),
        ("negative_prompt", "\0", "Invalid 'negative_prompt': it holds characters that are not", "invalid_value"),
        ("negative_prompt", LONE, "Invalid 'negative_prompt': it holds characters that are not", "invalid_value"),
        ("negative_prompt", 7, "expected a string, but got an integer instead.", "invalid_type"),
        ("style_preset", "grand", "Invalid value: 'grand'. Supported values are: 'enhance', ", "invalid_value"),
        ("style_preset", 7, "Invalid type for 'style_preset': expected one of 'enhance', ", "invalid_type"),
    ],
)
def test_an_extra_is_refused_in_the_contracts_words(name: str, value: object, message: str, code: str) -> None:
    refused = refuse(CATALOG, model=SD_3, **{name: value})

    assert message in refused.message
    assert (refused.code, refused.param) == (code, name)


@pytest.mark.parametrize("size", ["1024x1024", "1536x1024", "1824x1024", "3840x2160", "512x1536"])
def test_a_free_size_keeps_to_the_rules(with_gpt: Catalog, size: str) -> None:
    assert str(ask(with_gpt, size=size).request.size) == size


@pytest.mark.parametrize(
    ("size", "rule"),
    [
        ("bogus", "Expected WIDTHxHEIGHT, for example '1824x1024'."),
        ("01024x1024", "Expected WIDTHxHEIGHT, for example '1824x1024'."),
        ("1000x1000", "Width and height must both be divisible by 16."),
        ("512x1552", "The aspect ratio must be between 1:3 and 3:1."),
        ("3856x2160", "The maximum is 3840x2160."),
        ("3840x2176", "The maximum is 3840x2160."),
    ],
)
def test_a_size_beyond_the_rules_is_told_which(with_gpt: Catalog, size: str, rule: str) -> None:
    refused = refuse(with_gpt, size=size)

    assert refused.message == f"Invalid size '{size}'. {rule}"
    assert (refused.param, refused.type) == ("size", "image_generation_user_error")


def test_a_model_has_its_own_defaults(with_gpt: Catalog) -> None:
    request = ask(with_gpt, quality="auto", size="auto").request

    assert (request.quality, request.size) == ("medium", Size(1024, 1024))
    assert request.response_format is ResponseFormat.B64_JSON
    assert ask(with_gpt, response_format="url").request.response_format is ResponseFormat.URL


def test_what_is_settled_here_is_not_carried_to_the_provider(with_gpt: Catalog) -> None:
    checked = ask(
        with_gpt, background="transparent", moderation="low", output_format="png", output_compression=100
    )

    assert checked.request.extras == {"background": "transparent", "moderation": "low"}
    assert checked.dropped == ()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("output_format", "jpeg", "Invalid value: 'jpeg'. Supported values are: 'png'."),
        ("output_compression", 80, "Compression less than 100 is not supported for PNG output format."),
        ("background", "pink", "Supported values are: 'transparent', 'opaque', and 'auto'."),
        ("moderation", "none", "Supported values are: 'auto' and 'low'."),
        ("quality", "hd", "Invalid value: 'hd'. Supported values are: 'low', 'medium', 'high', and 'auto'."),
    ],
)
def test_what_cannot_be_kept_to_is_refused(with_gpt: Catalog, name: str, value: object, message: str) -> None:
    refused = refuse(with_gpt, **{name: value})

    assert message in refused.message
    assert refused.param == name


@pytest.mark.parametrize(
    ("body", "dropped"),
    [
        ({}, ()),
        ({"user": "u-1"}, ("user",)),
        ({"user": "", "style": None, "quality": "auto", "seed": None}, ()),
        ({"quality": "standard"}, ()),
        ({"quality": "hd", "style": "natural", "seed": 0}, ("quality", "style", "seed")),
    ],
)
def test_what_is_taken_and_not_kept_to_is_told(
    tmp_path: Path, body: dict[str, Any], dropped: tuple[str, ...]
) -> None:
    text = f'models.{DALL_E_2}.dropped = ["user", "quality", "style", "seed"]'
    checked = ask(catalog_with(tmp_path / "own.toml", text), model=DALL_E_2, **body)

    assert checked.dropped == dropped
    assert (checked.request.quality, checked.request.style, checked.request.extras) == ("standard", None, {})


@pytest.mark.parametrize(("name", "value"), [("style", "grand"), ("quality", "best"), ("seed", "7")])
def test_what_is_dropped_is_checked_all_the_same(tmp_path: Path, name: str, value: str) -> None:
    catalog = catalog_with(tmp_path / "own.toml", f'models.{DALL_E_2}.dropped = ["quality", "style", "seed"]')

    refused = refuse(catalog, model=DALL_E_2, **{name: value})

    assert refused.param == name


def test_the_answer_names_the_model_and_what_was_dropped() -> None:
    checked = parse({"model": DALL_E_2, "prompt": "a fox"}, CATALOG, None)

    assert response_headers(checked, checked.model) == {"darkroom-model": DALL_E_2, "darkroom-provider": "openai"}
    assert response_headers(replace(checked, dropped=("user", "style")), checked.model) == {
        "darkroom-model": DALL_E_2,
        "darkroom-provider": "openai",
        "darkroom-dropped-parameters": "user, style",
    }


def test_the_answer_names_what_a_stand_in_did_not_keep_to() -> None:
    body = {"model": "dall-e-3", "prompt": "a fox", "style": "natural", "quality": "hd", "user": "me"}
    checked = parse(body, CATALOG, None)
    stand_in = CATALOG.model("stable-diffusion-3")
    assert stand_in

    headers = response_headers(checked, stand_in)

    assert headers["darkroom-provider"] == "stability"
    assert headers["darkroom-dropped-parameters"] == "user, style, quality"
