import pytest

from tests.unit.api.asking import DALL_E_2, DALL_E_3, LONE, accept, refuse


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
