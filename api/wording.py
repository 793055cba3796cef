"""Faults of a request in OpenAI's own words, which clients may match on."""

from collections.abc import Mapping, Sequence
from enum import StrEnum

from pydantic_core import ErrorDetails

from core.errors import InvalidRequest
from core.generation import ResponseFormat

AUTO = "auto"
# The family of faults that OpenAI's newer models find.
OF_IMAGES = "image_generation_user_error"


class Code(StrEnum):
    """Why a request is refused, for programs."""

    EMPTY_STRING = "empty_string"
    INTEGER_ABOVE_MAX_VALUE = "integer_above_max_value"
    INTEGER_BELOW_MIN_VALUE = "integer_below_min_value"
    INVALID_PNG_OUTPUT_COMPRESSION = "invalid_png_output_compression"
    INVALID_SIZE = "invalid_size"
    INVALID_TYPE = "invalid_type"
    INVALID_VALUE = "invalid_value"
    MISSING_REQUIRED_PARAMETER = "missing_required_parameter"
    OBJECT_ABOVE_MAX_PROPERTIES = "object_above_max_properties"
    PROPERTY_NAME_ABOVE_MAX_LENGTH = "property_name_above_max_length"
    STRING_ABOVE_MAX_LENGTH = "string_above_max_length"
    UNKNOWN_PARAMETER = "unknown_parameter"


ENUMS: dict[str, Sequence[str]] = {
    "quality": ("standard", "hd"),
    "style": ("vivid", "natural"),
    "response_format": tuple(ResponseFormat),
    "background": ("transparent", "opaque", "auto"),
    "moderation": ("auto", "low"),
    # Pictures are kept and served as PNG only.
    "output_format": ("png",),
    "style_preset": (
        "enhance",
        "anime",
        "photographic",
        "digital-art",
        "comic-book",
        "fantasy-art",
        "line-art",
        "analog-film",
        "neon-punk",
        "isometric",
        "low-poly",
        "origami",
        "modeling-compound",
        "cinematic",
        "3d-model",
        "pixel-art",
        "tile-texture",
    ),
}
TYPES = {
    "n": "an integer",
    "seed": "an integer",
    "priority": "an integer",
    "output_compression": "an integer",
    "stream": "a boolean",
    "metadata": "an object",
    "events": "an array",
    "enabled": "a boolean",
    "overlap_seconds": "an integer",
    "output_expires_after": "an object",
    "output_expires_after.seconds": "an integer",
}
# The order in which OpenAI's service looks: unknown names, then the prompt, n, and the rest.
ORDER = ("prompt", "n")


def first(found: list[ErrorDetails], choices: Mapping[str, Sequence[str]]) -> InvalidRequest:
    """The fault that OpenAI's service would name. `choices` are those of the model that is asked for."""

    def rank(fault: ErrorDetails) -> int:
        name = str(fault["loc"][0])
        return ORDER.index(name) if name in ORDER else len(ORDER)

    return _worded(min(found, key=rank), choices)


def not_json() -> InvalidRequest:
    return InvalidRequest(
        "We could not parse the JSON body of your request. (HINT: the body must be valid JSON, "
        "sent with the header 'Content-Type: application/json'.)"
    )


def unknown(name: str) -> InvalidRequest:
    return InvalidRequest(f"Unknown parameter: '{name}'.", code=Code.UNKNOWN_PARAMETER, param=name)


def missing(name: str) -> InvalidRequest:
    message = f"Missing required parameter: '{name}'."
    return InvalidRequest(message, code=Code.MISSING_REQUIRED_PARAMETER, param=name)


def wrong_type(name: str, expected: str, given: object) -> InvalidRequest:
    message = f"Invalid type for '{name}': expected {expected}, but got {kind(given)} instead."
    return InvalidRequest(message, code=Code.INVALID_TYPE, param=name)


def not_a_member(name: str, text: str, offered: Sequence[str]) -> InvalidRequest:
    return InvalidRequest(
        f"Invalid value: '{text}'. Supported values are: {_listed(offered, 'and')}.",
        code=Code.INVALID_VALUE,
        param=name,
    )


def no_model(name: str) -> InvalidRequest:
    message = f"The model '{name}' does not exist."
    return InvalidRequest(message, code=Code.INVALID_VALUE, param="model", type=OF_IMAGES)


def size_of_others() -> InvalidRequest:
    return InvalidRequest("The size is not supported by this model.", code=Code.INVALID_SIZE, param="size")


def compressed_png() -> InvalidRequest:
    return InvalidRequest(
        "Compression less than 100 is not supported for PNG output format.",
        code=Code.INVALID_PNG_OUTPUT_COMPRESSION,
        param="output_compression",
        type=OF_IMAGES,
    )


def not_text(name: str) -> InvalidRequest:
    message = f"Invalid '{name}': it holds characters that are not text."
    return InvalidRequest(message, code=Code.INVALID_VALUE, param=name)


def too_long(name: str, text: str, most: int) -> InvalidRequest:
    message = f"Invalid '{name}': string too long. {_length(text, most)}"
    return InvalidRequest(message, code=Code.STRING_ABOVE_MAX_LENGTH, param=name)


def below(name: str, given: int, least: int) -> InvalidRequest:
    message = (
        f"Invalid '{name}': integer below minimum value. Expected a value >= {least}, but got {given} instead."
    )
    return InvalidRequest(message, code=Code.INTEGER_BELOW_MIN_VALUE, param=name)


def above(name: str, given: int, most: int) -> InvalidRequest:
    message = (
        f"Invalid '{name}': integer above maximum value. Expected a value <= {most}, but got {given} instead."
    )
    return InvalidRequest(message, code=Code.INTEGER_ABOVE_MAX_VALUE, param=name)


def _worded(fault: ErrorDetails, choices: Mapping[str, Sequence[str]]) -> InvalidRequest:
    name, given, bounds = ".".join(map(str, fault["loc"][:2])), fault["input"], fault.get("ctx", {})
    match fault["type"]:
        case "missing":
            refused = missing(name)
        case "string_unicode":
            refused = not_text(name)
        case "string_too_short":
            refused = empty(name)
        case "string_too_long" if fault["loc"][2:]:
            refused = _name_too_long(name, given, bounds["max_length"])
        case "string_too_long":
            refused = too_long(name, given, bounds["max_length"])
        case "too_long":
            refused = _too_many(name, len(given), bounds["max_length"])
        case "greater_than_equal":
            refused = below(name, given, bounds["ge"])
        case "less_than_equal":
            refused = above(name, given, bounds["le"])
        case _:
            refused = wrong_type(name, _expected(name, choices), given)
    return refused


def empty(name: str) -> InvalidRequest:
    expected = "Expected a string with minimum length 1, but got an empty string instead."
    return InvalidRequest(f"Invalid '{name}': empty string. {expected}", code=Code.EMPTY_STRING, param=name)


def _name_too_long(name: str, given: str, most: int) -> InvalidRequest:
    """As in OpenAI's `metadata`; `name` is of the whole path."""
    message = f"Invalid property name in '{name.partition('.')[0]}': '{given}' is too long. {_length(given, most)}"
    return InvalidRequest(message, code=Code.PROPERTY_NAME_ABOVE_MAX_LENGTH, param=name)


def _length(text: str, most: int) -> str:
    return f"Expected a string with maximum length {most}, but got a string with length {len(text)} instead."


def _too_many(name: str, given: int, most: int) -> InvalidRequest:
    message = (
        f"Invalid '{name}': too many properties. Expected an object with at most {most} properties, "
        f"but got an object with {given} properties instead."
    )
    return InvalidRequest(message, code=Code.OBJECT_ABOVE_MAX_PROPERTIES, param=name)


def _expected(name: str, choices: Mapping[str, Sequence[str]]) -> str:
    if name not in choices:
        return TYPES.get(name, "a string")
    options = _listed(choices[name], "or")
    return f"one of {options}" if len(choices[name]) > 1 else options


def _listed(words: Sequence[str], joint: str) -> str:
    """`'a', 'b', and 'c'`, as OpenAI writes its lists."""
    *first, last = [f"'{word}'" for word in words]
    if not first:
        return last
    return f"{', '.join(first)}{',' if len(first) > 1 else ''} {joint} {last}"


def kind(value: object) -> str:
    kinds = {str: "a string", bool: "a boolean", int: "an integer", float: "a decimal number", list: "an array"}
    return kinds.get(type(value), "null" if value is None else "an object")
