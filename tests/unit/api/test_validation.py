from typing import Any

import pytest

from api.validation import parse
from core.catalog import Catalog
from core.errors import InvalidRequest
from core.generation import GenerationRequest, ResponseFormat, Size

CATALOG = Catalog.load(None, {"openai"})
DALL_E_2, DALL_E_3 = "dall-e-2", "dall-e-3"
HUGE = 10**100
LONE = "\ud800"


def accept(**body: Any) -> GenerationRequest:
    checked = parse({"model": DALL_E_2, "prompt": "a fox", **body}, CATALOG, None)
    assert checked.request.model == checked.model.id
    return checked.request


def refuse(**body: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as refused:
        accept(**body)
    return refused.value


def test_what_is_left_out_takes_the_contracts_default() -> None:
    request = accept(model=DALL_E_3)

    assert request == GenerationRequest(
        model=DALL_E_3,
        prompt="a fox",
        n=1,
        size=Size(1024, 1024),
        quality="standard",
        style="vivid",
        response_format=ResponseFormat.URL,
    )


@pytest.mark.parametrize("model", [DALL_E_2, DALL_E_3])
@pytest.mark.parametrize("field", ["n", "size", "quality", "style", "response_format"])
def test_null_is_the_default(model: str, field: str) -> None:
    assert accept(model=model, **{field: None}) == accept(model=model)


@pytest.mark.parametrize("field", ["prompt", "user"])
def test_null_is_refused_where_there_is_no_default(field: str) -> None:
    refused = refuse(**{field: None})

    assert refused.message == f"Invalid type for '{field}': expected a string, but got null instead."
    assert (refused.code, refused.param) == ("invalid_type", field)


def test_everything_can_be_chosen() -> None:
    request = accept(
        model=DALL_E_3, size="1024x1792", quality="hd", style="natural", response_format="b64_json", user="u-1"
    )

    assert request.size == Size(1024, 1792)
    assert (request.quality, request.style) == ("hd", "natural")
    assert request.response_format is ResponseFormat.B64_JSON


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ("2", "a string"),
        (True, "a boolean"),
        (1.0, "a decimal number"),
        (1.5, "a decimal number"),
        ([1], "an array"),
        ({"n": 1}, "an object"),
    ],
)
def test_n_is_an_integer_and_nothing_that_looks_like_one(given: object, kind: str) -> None:
    refused = refuse(n=given)

    assert refused.message == f"Invalid type for 'n': expected an integer, but got {kind} instead."
    assert (refused.code, refused.param, refused.type) == ("invalid_type", "n", "invalid_request_error")


@pytest.mark.parametrize("n", [1, 10])
def test_n_goes_from_one_to_ten(n: int) -> None:
    assert accept(n=n).n == n


@pytest.mark.parametrize(
    ("n", "code", "fault"),
    [
        (0, "integer_below_min_value", "below minimum value. Expected a value >= 1"),
        (-HUGE, "integer_below_min_value", "below minimum value. Expected a value >= 1"),
        (11, "integer_above_max_value", "above maximum value. Expected a value <= 10"),
        (HUGE, "integer_above_max_value", "above maximum value. Expected a value <= 10"),
    ],
)
def test_n_out_of_range_is_told_the_range(n: int, code: str, fault: str) -> None:
    refused = refuse(n=n)

    assert refused.message == f"Invalid 'n': integer {fault}, but got {n} instead."
    assert (refused.code, refused.param) == (code, "n")


def test_dall_e_3_makes_one_picture_a_request() -> None:
    refused = refuse(model=DALL_E_3, n=2)

    assert refused.message == "You must provide n=1 for this model."
    assert (refused.code, refused.param) == ("invalid_value", "n")


@pytest.mark.parametrize("field", ["prompt", "model", "size", "user"])
@pytest.mark.parametrize(("given", "kind"), [(7, "an integer"), (False, "a boolean"), (["a"], "an array")])
def test_text_is_a_string(field: str, given: object, kind: str) -> None:
    refused = refuse(**{field: given})

    assert refused.message == f"Invalid type for '{field}': expected a string, but got {kind} instead."
    assert (refused.code, refused.param) == ("invalid_type", field)


@pytest.mark.parametrize(
    ("field", "listed"),
    [
        ("quality", "'standard', 'hd', or 'auto'"),
        ("style", "'vivid' or 'natural'"),
        ("response_format", "'url' or 'b64_json'"),
    ],
)
def test_a_choice_of_the_wrong_type_is_told_the_choices(field: str, listed: str) -> None:
    refused = refuse(model=DALL_E_3, **{field: 7})

    assert refused.message == f"Invalid type for '{field}': expected one of {listed}, but got an integer instead."
    assert (refused.code, refused.param) == ("invalid_type", field)


@pytest.mark.parametrize(
    ("field", "listed"),
    [
        ("quality", "'standard', 'hd', and 'auto'"),
        ("style", "'vivid' and 'natural'"),
        ("response_format", "'url' and 'b64_json'"),
        ("size", "'1024x1024', '1024x1792', '1792x1024', and 'auto'"),
    ],
)
@pytest.mark.parametrize("given", ["grand", "", "HD", "\0", LONE])
def test_a_choice_that_does_not_exist_is_told_the_choices(field: str, listed: str, given: str) -> None:
    refused = refuse(model=DALL_E_3, **{field: given})

    assert refused.message == f"Invalid value: '{given}'. Supported values are: {listed}."
    assert (refused.code, refused.param) == ("invalid_value", field)


@pytest.mark.parametrize(
    ("model", "size"),
    [
        (DALL_E_2, "256x256"),
        (DALL_E_2, "512x512"),
        (DALL_E_2, "1024x1024"),
        (DALL_E_3, "1024x1024"),
        (DALL_E_3, "1024x1792"),
        (DALL_E_3, "1792x1024"),
    ],
)
def test_each_model_has_its_sizes(model: str, size: str) -> None:
    assert str(accept(model=model, size=size).size) == size


@pytest.mark.parametrize(
    ("model", "size"), [(DALL_E_3, "256x256"), (DALL_E_3, "512x512"), (DALL_E_2, "1792x1024")]
)
def test_another_models_size_is_a_fault_of_its_own(model: str, size: str) -> None:
    refused = refuse(model=model, size=size)

    assert refused.message == "The size is not supported by this model."
    assert (refused.code, refused.param) == ("invalid_size", "size")


@pytest.mark.parametrize("size", ["32x32", "1024X1024", "1024", " 1024x1024", "01024x1024"])
def test_a_size_of_no_model_is_told_the_models_own(size: str) -> None:
    refused = refuse(size=size)

    assert refused.message.endswith("Supported values are: '256x256', '512x512', '1024x1024', and 'auto'.")
    assert (refused.code, refused.param) == ("invalid_value", "size")


@pytest.mark.parametrize("model", [DALL_E_2, DALL_E_3])
@pytest.mark.parametrize("field", ["size", "quality"])
def test_auto_is_the_default(model: str, field: str) -> None:
    assert accept(model=model, **{field: "auto"}) == accept(model=model)


def test_dall_e_2_knows_one_quality() -> None:
    refused = refuse(quality="hd")

    assert refused.message == "Invalid value: 'hd'. Supported values are: 'standard' and 'auto'."
    assert accept(quality="standard").quality == "standard"


@pytest.mark.parametrize("style", ["vivid", "natural", "grand"])
def test_dall_e_2_knows_no_style(style: str) -> None:
    refused = refuse(style=style)

    assert refused.message == "Unknown parameter: 'style'."
    assert (refused.code, refused.param) == ("unknown_parameter", "style")


@pytest.mark.parametrize("value", [None, False])
def test_not_to_stream_is_what_is_done_anyway(*, value: bool | None) -> None:
    assert accept(stream=value) == accept()


def test_streaming_is_refused_by_name() -> None:
    refused = refuse(stream=True)

    assert (refused.code, refused.message) == ("unknown_parameter", "Unknown parameter: 'stream'.")


@pytest.mark.parametrize(("given", "kind"), [("yes", "a string"), (0, "an integer"), (1, "an integer")])
def test_stream_is_a_boolean(given: object, kind: str) -> None:
    refused = refuse(stream=given)

    assert refused.message == f"Invalid type for 'stream': expected a boolean, but got {kind} instead."
    assert (refused.code, refused.param) == ("invalid_type", "stream")


@pytest.mark.parametrize("name", ["partial_images", "background", "Prompt", "", "é", LONE])
@pytest.mark.parametrize("value", [None, False, "x", {"deep": [1]}])
def test_an_unknown_parameter_is_refused_by_name(name: str, value: object) -> None:
    refused = refuse(**{name: value})

    assert refused.message == f"Unknown parameter: '{name}'."
    assert (refused.code, refused.param) == ("unknown_parameter", name)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"quality": 7, "n": 0, "prompt": "", "stream": True}, "stream"),
        ({"quality": 7, "n": 0, "prompt": "", LONE: 1}, LONE),
        ({"style": "vivid", "n": 0, "prompt": ""}, "style"),
        ({"quality": 7, "n": 0, "prompt": ""}, "prompt"),
        ({"quality": 7, "n": 0, "prompt": "x" * 1001}, "prompt"),
        ({"quality": 7, "n": 0, "prompt": "\0"}, "prompt"),
        ({"quality": 7, "n": 0, "prompt": None}, "prompt"),
        ({"quality": 7, "n": 0}, "n"),
        ({"quality": 7, "size": "32x32"}, "quality"),
        ({"model": "nothing", "n": 0}, "n"),
        ({"model": "nothing", "size": "32x32", "prompt": "x" * 5000}, "model"),
        ({"model": DALL_E_3, "size": "32x32", "n": 2, "prompt": "x" * 5000}, "prompt"),
        ({"model": DALL_E_3, "size": "32x32", "n": 2}, "n"),
    ],
)
def test_of_many_faults_the_one_that_openai_names_first_is_named(body: dict[str, Any], param: str) -> None:
    assert refuse(**body).param == param


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


@pytest.mark.parametrize("model", ["dall-e-4", "DALL-E-2", "", "gpt-image-2", LONE])
def test_an_unknown_model_is_refused_by_name(model: str) -> None:
    refused = refuse(model=model)

    assert refused.message == f"The model '{model}' does not exist."
    assert (refused.code, refused.param) == ("invalid_value", "model")
    assert refused.type == "image_generation_user_error"


def test_a_model_whose_provider_has_no_key_does_not_exist() -> None:
    with pytest.raises(InvalidRequest, match=r"The model 'dall-e-2' does not exist\."):
        parse({"prompt": "a fox", "model": DALL_E_2}, Catalog.load(), None)


@pytest.mark.parametrize("named", [{}, {"model": None}])
def test_without_a_default_the_model_has_to_be_named(named: dict[str, None]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse({"prompt": "a fox", **named}, CATALOG, None)

    assert refused.value.message == "Missing required parameter: 'model'."
    assert (refused.value.code, refused.value.param) == ("missing_required_parameter", "model")


@pytest.mark.parametrize("named", [{}, {"model": None}])
def test_the_operators_default_stands_in_for_a_model_that_is_not_named(named: dict[str, None]) -> None:
    checked = parse({"prompt": "a fox", **named}, CATALOG, DALL_E_3)

    assert checked.request.model == checked.model.id == DALL_E_3


def test_a_default_that_is_not_offered_is_named() -> None:
    with pytest.raises(InvalidRequest, match=r"The model 'gone' does not exist\."):
        parse({"prompt": "a fox"}, CATALOG, "gone")


def test_a_deeply_nested_value_is_of_the_wrong_type_and_no_crash() -> None:
    nested: list[Any] = []
    for _ in range(900):
        nested = [nested]

    assert (
        refuse(prompt=nested).message == "Invalid type for 'prompt': expected a string, but got an array instead."
    )
