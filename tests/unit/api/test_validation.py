from typing import Any

import pytest

from api.validation import parse
from core.catalog import Catalog
from core.errors import InvalidRequest
from core.generation import GenerationRequest, ResponseFormat, Size
from tests.unit.api.asking import CATALOG, DALL_E_2, DALL_E_3, LONE, accept, refuse

HUGE = 10**100


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
