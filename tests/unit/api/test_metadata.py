from typing import Any

import pytest

from api.validation import Checked, parse
from core.catalog import Catalog
from core.errors import InvalidRequest

CATALOG = Catalog.load(None, {"openai", "stability", "bfl", "midjourney"})
LONE = "\ud800"


def accept(metadata: Any, model: str = "dall-e-2") -> Checked:
    return parse({"model": model, "prompt": "a fox", "metadata": metadata}, CATALOG, None)


def refuse(metadata: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as refused:
        accept(metadata)
    return refused.value


@pytest.mark.parametrize("model", [model.id for model in CATALOG.models])
def test_every_model_takes_metadata_and_no_provider_is_told(model: str) -> None:
    checked = accept({"order": "17", "shelf": ""}, model)

    assert checked.metadata == {"order": "17", "shelf": ""}
    assert checked.request == accept(None, model).request
    assert checked.dropped == ()


def test_null_is_no_metadata() -> None:
    assert accept(None).metadata is None


@pytest.mark.parametrize("character", ["x", "é", "🦊"])
def test_metadata_may_be_as_large_as_openais(character: str) -> None:
    largest = {f"{index:02}" + character * 62: character * 512 for index in range(16)}

    assert accept(largest).metadata == largest


@pytest.mark.parametrize(
    ("metadata", "code", "param", "message"),
    [
        (
            "order 17",
            "invalid_type",
            "metadata",
            "Invalid type for 'metadata': expected an object, but got a string instead.",
        ),
        (
            {"tags": ["a"]},
            "invalid_type",
            "metadata.tags",
            "Invalid type for 'metadata.tags': expected a string, but got an array instead.",
        ),
        (
            {"n": 1},
            "invalid_type",
            "metadata.n",
            "Invalid type for 'metadata.n': expected a string, but got an integer instead.",
        ),
        (
            {"": None},
            "invalid_type",
            "metadata.",
            "Invalid type for 'metadata.': expected a string, but got null instead.",
        ),
        (
            {str(index): "" for index in range(17)},
            "object_above_max_properties",
            "metadata",
            (
                "Invalid 'metadata': too many properties. Expected an object with at most 16 properties, "
                "but got an object with 17 properties instead."
            ),
        ),
        (
            {"k" * 65: ""},
            "property_name_above_max_length",
            "metadata." + "k" * 65,
            (
                f"Invalid property name in 'metadata': '{'k' * 65}' is too long. "
                "Expected a string with maximum length 64, but got a string with length 65 instead."
            ),
        ),
        (
            {"[key]": "v" * 513},
            "string_above_max_length",
            "metadata.[key]",
            (
                "Invalid 'metadata.[key]': string too long. "
                "Expected a string with maximum length 512, but got a string with length 513 instead."
            ),
        ),
    ],
)
def test_metadata_is_refused_in_openais_words(metadata: object, code: str, param: str, message: str) -> None:
    refused = refuse(metadata)

    assert refused.message == message
    assert (refused.code, refused.param, refused.type) == (code, param, "invalid_request_error")


@pytest.mark.parametrize("metadata", [{"a\0": ""}, {"a": "\0"}, {f"a{LONE}": ""}, {"a": LONE}])
def test_metadata_is_text(metadata: dict[str, str]) -> None:
    refused = refuse(metadata)

    assert refused.code == "invalid_value"
    assert str(refused.param).startswith("metadata.a")


def test_other_faults_come_before_those_of_metadata() -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse({"model": "dall-e-2", "prompt": "a fox", "metadata": 7, "size": 7}, CATALOG, None)

    assert refused.value.param == "size"
