"""A body becomes a GenerationRequest, or an InvalidRequest in OpenAI's own wording."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from flask import Request
from pydantic import ValidationError

from api import extras, sizes
from api.extras import is_text
from api.schemas import ImageGenerationBody
from api.wording import ENUMS, kind, missing, not_a_member, not_text, refuse, too_long, unknown
from core.catalog import Catalog, Model
from core.errors import InvalidRequest
from core.generation import GenerationRequest, ResponseFormat
from core.offers import Extra

AUTO = "auto"


@dataclass(frozen=True, slots=True)
class Checked:
    """An acceptable request. `dropped` names what was asked for and will not be kept to."""

    request: GenerationRequest
    model: Model
    dropped: tuple[str, ...]


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
            f"Invalid type for the request body: expected an object, but got {kind(body)} instead.",
            code="invalid_type",
        )
    return body


def _not_json(word: str) -> NoReturn:
    """Python would read NaN and Infinity, JSON knows neither."""
    raise ValueError(word)


def parse(body: dict[str, Any], catalog: Catalog, default_model: str | None) -> Checked:
    """Check a body against the contract and against its model. Raises InvalidRequest.

    Past this line nothing is checked again.
    """
    _refuse_unknown(body, catalog, default_model)
    try:
        fields = ImageGenerationBody.model_validate(body)
    except ValidationError as error:
        refuse(error.errors(include_url=False))
    model = _model(default_model if fields.model is None else fields.model, catalog)
    request = GenerationRequest(
        model=model.id,
        prompt=_prompt(fields.prompt, model),
        n=_n(fields.n or 1, model),
        size=sizes.choose(fields.size, model, catalog),
        quality=_quality(fields.quality, model),
        style=_style(fields.style, model),
        response_format=_response_format(fields.response_format, model),
        extras=extras.choose(fields, model),
    )
    return Checked(request, model, _dropped(fields, request, model))


def _refuse_unknown(body: dict[str, Any], catalog: Catalog, default_model: str | None) -> None:
    """What is known depends on the model; one that is not known itself is refused later, after other faults."""
    named = default_model if body.get("model") is None else body["model"]
    model = catalog.model(named) if isinstance(named, str) else None
    foreign = {*Extra} - {*model.extras, *model.dropped} if model else set()
    for name in body:
        if name not in ImageGenerationBody.model_fields or name in foreign:
            raise unknown(name)


def _model(name: str | None, catalog: Catalog) -> Model:
    if name is None:
        raise missing("model")
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
        raise too_long("prompt", prompt, model.max_prompt)
    if not is_text(prompt):
        raise not_text("prompt")
    return prompt


def _n(n: int, model: Model) -> int:
    if n > model.max_n:
        only = f"n={model.max_n}" if model.max_n == 1 else f"n<={model.max_n}"
        raise InvalidRequest(f"You must provide {only} for this model.", code="invalid_value", param="n")
    return n


def _quality(text: str | None, model: Model) -> str:
    if text is None or text == AUTO:
        return model.default_quality
    if "quality" in model.dropped and text in ENUMS["quality"]:
        return model.default_quality
    return _member("quality", text, model.qualities)


def _style(text: str | None, model: Model) -> str | None:
    if text is None:
        return model.default_style
    if "style" in model.dropped:
        _member("style", text, ENUMS["style"])
        return None
    if not model.styles:
        raise unknown("style")
    return _member("style", text, model.styles)


def _response_format(text: str | None, model: Model) -> ResponseFormat:
    if text is None:
        return model.default_response_format
    return ResponseFormat(_member("response_format", text, ENUMS["response_format"]))


def _member(name: str, text: str, offered: Sequence[str]) -> str:
    if text not in offered:
        raise not_a_member(name, text, offered)
    return text


def _dropped(fields: ImageGenerationBody, request: GenerationRequest, model: Model) -> tuple[str, ...]:
    """What the catalog says is dropped, where it was given and would have made a difference."""
    return tuple(
        name
        for name in model.dropped
        if getattr(fields, name) not in (None, "", AUTO, getattr(request, name, None))
    )
