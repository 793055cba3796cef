"""A body becomes a GenerationRequest, or an InvalidRequest in OpenAI's own wording."""

import json
from collections.abc import Sequence
from typing import Any, NoReturn

from flask import Request
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from api.schemas import ImageGenerationBody
from core.catalog import MODELS, Catalog, Model
from core.errors import InvalidRequest
from core.generation import GenerationRequest, ResponseFormat, Size

AUTO = "auto"
DEFAULT_SIZE, DEFAULT_QUALITY, DEFAULT_STYLE = "1024x1024", "standard", "vivid"
ENUMS = {
    "quality": ("standard", "hd"),
    "style": ("vivid", "natural"),
    "response_format": tuple(ResponseFormat),
}
# The order in which OpenAI's service looks: unknown names, then the prompt, n, and the rest.
ORDER = ("prompt", "n")


def read_json(request: Request) -> dict[str, Any]:
    """The body as a JSON object. Raises InvalidRequest."""
    if request.mimetype != "application/json":
        given = request.headers.get("Content-Type", "")
        raise InvalidRequest(
            f"Unsupported content type: '{request.mimetype}'. This API method only accepts 'application/json' "
            f"requests, but you specified the header 'Content-Type: {given}'. "
            "Please try again with a supported content type."
        )
    try:
        body = json.loads(request.get_data(), parse_constant=_not_json)
    except (ValueError, RecursionError):  # the latter: nested beyond all reason
        raise InvalidRequest(
            "We could not parse the JSON body of your request. (HINT: the body must be valid JSON, "
            "sent with the header 'Content-Type: application/json'.)"
        ) from None
    if not isinstance(body, dict):
        raise InvalidRequest(
            f"Invalid type for the request body: expected an object, but got {_kind(body)} instead.",
            code="invalid_type",
        )
    return body


def _not_json(word: str) -> NoReturn:
    """Python would read NaN and Infinity, JSON knows neither."""
    raise ValueError(word)


def parse(body: dict[str, Any], catalog: Catalog, default_model: str | None) -> tuple[GenerationRequest, Model]:
    """Check a body against the contract and against its model. Raises InvalidRequest.

    Past this line nothing is checked again.
    """
    try:
        fields = ImageGenerationBody.model_validate(body)
    except ValidationError as error:
        _refuse(error.errors(include_url=False))
    model = _model(default_model if fields.model is None else fields.model, catalog)
    request = GenerationRequest(
        model=model.id,
        prompt=_prompt(fields.prompt, model),
        n=_n(fields.n or 1, model),
        size=_size(fields.size, model),
        quality=_quality(fields.quality, model),
        style=_style(fields.style, model),
        response_format=ResponseFormat(_member("response_format", fields.response_format, ResponseFormat.URL)),
    )
    return request, model


def _model(name: str | None, catalog: Catalog) -> Model:
    if name is None:
        raise InvalidRequest(
            "Missing required parameter: 'model'.", code="missing_required_parameter", param="model"
        )
    model = catalog.model(name)
    if model is None:
        raise InvalidRequest(
            f"The model '{name}' does not exist.",
            code="invalid_value",
            param="model",
            type="image_generation_user_error",
        )
    return model


def _prompt(prompt: str, model: Model) -> str:
    if len(prompt) > model.max_prompt:
        raise InvalidRequest(
            f"Invalid 'prompt': string too long. Expected a string with maximum length {model.max_prompt}, "
            f"but got a string with length {len(prompt)} instead.",
            code="string_above_max_length",
            param="prompt",
        )
    if "\0" in prompt or any("\ud800" <= character <= "\udfff" for character in prompt):
        raise _not_text("prompt")
    return prompt


def _n(n: int, model: Model) -> int:
    if n > model.max_n:
        raise InvalidRequest(f"You must provide n={model.max_n} for this model.", code="invalid_value", param="n")
    return n


def _size(text: str | None, model: Model) -> Size:
    if text is None or text == AUTO:
        text = DEFAULT_SIZE
    offered = {str(size): size for size in model.sizes}
    if text in offered:
        return offered[text]
    if any(text == str(size) for other in MODELS for size in other.sizes):
        raise InvalidRequest("The size is not supported by this model.", code="invalid_size", param="size")
    raise _not_a_member("size", text, list(offered))


def _quality(text: str | None, model: Model) -> str:
    return _member("quality", None if text == AUTO else text, DEFAULT_QUALITY, model.qualities)


def _style(text: str | None, model: Model) -> str | None:
    if not model.styles:
        if text is not None:
            raise _unknown("style")
        return None
    return _member("style", text, DEFAULT_STYLE, model.styles)


def _member(name: str, text: str | None, default: str, offered: Sequence[str] = ()) -> str:
    text = default if text is None else text
    offered = offered or ENUMS[name]
    if text not in offered:
        raise _not_a_member(name, text, offered)
    return text


def _not_a_member(name: str, text: str, offered: Sequence[str]) -> InvalidRequest:
    return InvalidRequest(
        f"Invalid value: '{text}'. Supported values are: {_listed(offered, 'and')}.",
        code="invalid_value",
        param=name,
    )


def _not_text(name: str) -> InvalidRequest:
    message = f"Invalid '{name}': it holds characters that are not text."
    return InvalidRequest(message, code="invalid_value", param=name)


def _unknown(name: str) -> InvalidRequest:
    return InvalidRequest(f"Unknown parameter: '{name}'.", code="unknown_parameter", param=name)


def _refuse(found: list[ErrorDetails]) -> NoReturn:
    """Raise the fault that OpenAI's service would name first."""

    def rank(fault: ErrorDetails) -> tuple[bool, int]:
        name = _name(fault)
        return not _is_unknown(fault), ORDER.index(name) if name in ORDER else len(ORDER)

    raise _worded(min(found, key=rank))


def _name(fault: ErrorDetails) -> str:
    """The parameter at fault; pydantic cannot locate a name that is itself not text, and gives it as the input."""
    return str(fault["loc"][0] if fault["loc"] else fault["input"])


def _is_unknown(fault: ErrorDetails) -> bool:
    return fault["type"] == "extra_forbidden" or not fault["loc"]


def _worded(fault: ErrorDetails) -> InvalidRequest:
    name, given = _name(fault), fault["input"]
    if _is_unknown(fault):
        return _unknown(name)
    match fault["type"]:
        case "missing":
            message, code = f"Missing required parameter: '{name}'.", "missing_required_parameter"
        case "string_unicode":
            return _not_text(name)
        case "string_too_short":
            code = "empty_string"
            message = (
                f"Invalid '{name}': empty string. Expected a string with minimum length 1, "
                "but got an empty string instead."
            )
        case "greater_than_equal":
            code = "integer_below_min_value"
            message = (
                f"Invalid '{name}': integer below minimum value. Expected a value >= 1, but got {given} instead."
            )
        case "less_than_equal":
            code = "integer_above_max_value"
            message = (
                f"Invalid '{name}': integer above maximum value. Expected a value <= 10, but got {given} instead."
            )
        case _:
            code = "invalid_type"
            message = f"Invalid type for '{name}': expected {_expected(name)}, but got {_kind(given)} instead."
    return InvalidRequest(message, code=code, param=name)


def _expected(name: str) -> str:
    if name in ENUMS:
        return f"one of {_listed(ENUMS[name], 'or')}"
    return "an integer" if name == "n" else "a string"


def _listed(words: Sequence[str], joint: str) -> str:
    """`'a', 'b', and 'c'`, as OpenAI writes its lists."""
    *first, last = [f"'{word}'" for word in words]
    if not first:
        return last
    return f"{', '.join(first)}{',' if len(first) > 1 else ''} {joint} {last}"


def _kind(value: object) -> str:
    kinds = {str: "a string", bool: "a boolean", int: "an integer", float: "a decimal number", list: "an array"}
    return kinds.get(type(value), "null" if value is None else "an object")
