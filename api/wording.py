"""Faults of a request in OpenAI's own words, which clients may match on."""

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from pydantic_core import ErrorDetails

from core.errors import InvalidRequest
from core.generation import ResponseFormat

ENUMS = {
    "quality": ("standard", "hd"),
    "style": ("vivid", "natural"),
    "response_format": tuple(ResponseFormat),
    "background": ("transparent", "opaque", "auto"),
    "moderation": ("low", "auto"),
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
INTEGERS = {"n", "seed", "output_compression"}
# The order in which OpenAI's service looks: unknown names, then the prompt, n, and the rest.
ORDER = ("prompt", "n")


def refuse(found: list[ErrorDetails]) -> NoReturn:
    """Raise the fault that OpenAI's service would name first."""

    def rank(fault: ErrorDetails) -> int:
        name = str(fault["loc"][0])
        return ORDER.index(name) if name in ORDER else len(ORDER)

    raise _worded(min(found, key=rank))


def unknown(name: str) -> InvalidRequest:
    return InvalidRequest(f"Unknown parameter: '{name}'.", code="unknown_parameter", param=name)


def missing(name: str) -> InvalidRequest:
    message = f"Missing required parameter: '{name}'."
    return InvalidRequest(message, code="missing_required_parameter", param=name)


def not_a_member(name: str, text: str, offered: Sequence[str]) -> InvalidRequest:
    return InvalidRequest(
        f"Invalid value: '{text}'. Supported values are: {_listed(offered, 'and')}.",
        code="invalid_value",
        param=name,
    )


def not_text(name: str) -> InvalidRequest:
    message = f"Invalid '{name}': it holds characters that are not text."
    return InvalidRequest(message, code="invalid_value", param=name)


def too_long(name: str, text: str, most: int) -> InvalidRequest:
    message = (
        f"Invalid '{name}': string too long. Expected a string with maximum length {most}, "
        f"but got a string with length {len(text)} instead."
    )
    return InvalidRequest(message, code="string_above_max_length", param=name)


def _worded(fault: ErrorDetails) -> InvalidRequest:
    name, given, bounds = str(fault["loc"][0]), fault["input"], fault.get("ctx", {})
    match fault["type"]:
        case "missing":
            return missing(name)
        case "string_unicode":
            return not_text(name)
        case "string_too_long":
            return too_long(name, given, bounds["max_length"])
        case "string_too_short":
            code = "empty_string"
            message = (
                f"Invalid '{name}': empty string. Expected a string with minimum length 1, "
                "but got an empty string instead."
            )
        case "greater_than_equal" | "less_than_equal":
            code, message = _out_of_range(name, given, bounds)
        case _:
            code = "invalid_type"
            message = f"Invalid type for '{name}': expected {_expected(name)}, but got {kind(given)} instead."
    return InvalidRequest(message, code=code, param=name)


def _out_of_range(name: str, given: int, bounds: Mapping[str, Any]) -> tuple[str, str]:
    if "ge" in bounds:
        code, fault = "integer_below_min_value", f"below minimum value. Expected a value >= {bounds['ge']}"
    else:
        code, fault = "integer_above_max_value", f"above maximum value. Expected a value <= {bounds['le']}"
    return code, f"Invalid '{name}': integer {fault}, but got {given} instead."


def _expected(name: str) -> str:
    if name in ENUMS:
        options = _listed(ENUMS[name], "or")
        return f"one of {options}" if len(ENUMS[name]) > 1 else options
    return "an integer" if name in INTEGERS else "a string"


def _listed(words: Sequence[str], joint: str) -> str:
    """`'a', 'b', and 'c'`, as OpenAI writes its lists."""
    *first, last = [f"'{word}'" for word in words]
    if not first:
        return last
    return f"{', '.join(first)}{',' if len(first) > 1 else ''} {joint} {last}"


def kind(value: object) -> str:
    kinds = {str: "a string", bool: "a boolean", int: "an integer", float: "a decimal number", list: "an array"}
    return kinds.get(type(value), "null" if value is None else "an object")
