"""Reads single fields of a request body, null as absent, refusing with OpenAI's words."""

from collections.abc import Sequence
from typing import Any

from sandbox.simulators.openai_errors import ApiError


def choice(asked: dict[str, Any], name: str, choices: Sequence[str], default: str) -> str:
    value = asked.get(name)
    if value is None:
        return default
    if not isinstance(value, str):
        expected = f"one of {_listed(choices, 'or')}"
        raise _wrong_type(name, expected, value)
    if value not in choices:
        supported = _listed(choices, "and")
        raise ApiError(f"Invalid value: '{value}'. Supported values are: {supported}.", "invalid_value", name)
    return value


def _listed(choices: Sequence[str], word: str) -> str:
    quoted = [f"'{choice}'" for choice in choices]
    if len(quoted) < 3:  # noqa: PLR2004 - the comma before the last word comes with the third
        return f" {word} ".join(quoted)
    return f"{', '.join(quoted[:-1])}, {word} {quoted[-1]}"


def integer(asked: dict[str, Any], name: str, allowed: range, default: int) -> int:
    value = whole_number(asked, name, default)
    if value < allowed[0]:
        problem = f"integer below minimum value. Expected a value >= {allowed[0]}, but got {value} instead."
        raise ApiError(f"Invalid '{name}': {problem}", "integer_below_min_value", name)
    if value > allowed[-1]:
        problem = f"integer above maximum value. Expected a value <= {allowed[-1]}, but got {value} instead."
        raise ApiError(f"Invalid '{name}': {problem}", "integer_above_max_value", name)
    return value


def whole_number(asked: dict[str, Any], name: str, default: int) -> int:
    value = asked.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong_type(name, "an integer", value)
    return value


def flag(asked: dict[str, Any], name: str) -> bool:
    value = asked.get(name)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise _wrong_type(name, "a boolean", value)


def text(asked: dict[str, Any], name: str) -> str | None:
    value = asked.get(name)
    return None if value is None else string(name, value)


def string(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise _wrong_type(name, "a string", value)
    return value


def _wrong_type(name: str, expected: str, value: Any) -> ApiError:
    problem = f"Invalid type for '{name}': expected {expected}, but got {kind_of(value)} instead."
    return ApiError(problem, "invalid_type", name)


def kind_of(value: Any) -> str:
    kinds = {bool: "a boolean", int: "an integer", float: "a decimal number", str: "a string", list: "an array"}
    return "null" if value is None else kinds.get(type(value), "an object")
