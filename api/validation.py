"""A body becomes a GenerationRequest, or an InvalidRequest in OpenAI's own wording."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from api import addresses, extras, sizes
from api.extras import is_text
from api.schemas import ImageGenerationBody
from api.wording import (
    AUTO,
    ENUMS,
    Code,
    first,
    missing,
    no_model,
    not_a_member,
    not_text,
    too_long,
    unknown,
)
from core.catalog import Catalog, Model
from core.errors import InvalidRequest
from core.generation import GenerationRequest, ResponseFormat
from core.hosts import AllowedHost

FIELDS = frozenset(ImageGenerationBody.model_fields)


@dataclass(frozen=True, slots=True)
class Checked:
    """An acceptable request. `dropped` names what was asked for and will not be kept to."""

    request: GenerationRequest
    model: Model
    dropped: tuple[str, ...]
    metadata: Mapping[str, str] | None
    webhook_url: str | None
    priority: int


def parse(
    body: dict[str, Any],
    catalog: Catalog,
    default_model: str | None,
    *,
    webhook_hosts: Sequence[AllowedHost] = (),
) -> Checked:
    """Check a body against the contract and against its model, in the order in which OpenAI's service does.

    `webhook_hosts` are those that the operator allows. Raises InvalidRequest. Past this line nothing is checked
    again, but for where the address of a webhook leads when it is connected to.
    """
    named = default_model if body.get("model") is None else body["model"]
    model = catalog.model(named) if isinstance(named, str) else None
    _refuse_unknown(body, model)
    _check_prompt(body.get("prompt"), model)
    fields = _typed(body, model)
    if model is None:
        raise missing("model") if named is None else no_model(named)
    request = _request(fields, model, catalog)
    return Checked(
        request,
        model,
        dropped=_dropped(fields, request, model),
        metadata=_metadata(fields.metadata),
        webhook_url=_webhook_url(fields.webhook_url, webhook_hosts),
        priority=fields.priority or 0,
    )


def _refuse_unknown(body: dict[str, Any], model: Model | None) -> None:
    """What is known depends on the model; one that is not known itself is refused later, after other faults."""
    for name, value in body.items():
        if name not in FIELDS or _is_foreign(name, value, model):
            raise unknown(name)


def _is_foreign(name: str, value: object, model: Model | None) -> bool:
    """Whether the model has no such parameter. `stream` and `style` may be there while they ask for nothing."""
    if name == "stream":
        return value is True
    if model is None or name in model.dropped:
        return False
    if name == "style":
        return value is not None and not model.styles
    return name in extras.EXTRAS and name not in model.extras


def _check_prompt(prompt: object, model: Model | None) -> None:
    if not isinstance(prompt, str) or model is None:
        return
    if len(prompt) > model.max_prompt:
        raise too_long("prompt", prompt, model.max_prompt)
    if not is_text(prompt):
        raise not_text("prompt")


def _typed(body: dict[str, Any], model: Model | None) -> ImageGenerationBody:
    try:
        return ImageGenerationBody.model_validate(body)
    except ValidationError as error:
        choices = {"quality": _qualities(model), "style": _styles(model)} if model else {}
        raise first(error.errors(include_url=False), {**ENUMS, **choices}) from None


def _request(fields: ImageGenerationBody, model: Model, catalog: Catalog) -> GenerationRequest:
    return GenerationRequest(
        model=model.id,
        prompt=fields.prompt,
        n=_n(fields.n or 1, model),
        size=sizes.choose(fields.size, model, catalog),
        quality=_quality(fields.quality, model),
        style=_style(fields.style, model),
        response_format=_response_format(fields.response_format, model),
        extras=extras.choose(fields, model),
    )


def _n(n: int, model: Model) -> int:
    if n > model.max_n:
        only = f"n={model.max_n}" if model.max_n == 1 else f"n<={model.max_n}"
        raise InvalidRequest(f"You must provide {only} for this model.", code=Code.INVALID_VALUE, param="n")
    return n


def _quality(text: str | None, model: Model) -> str:
    chosen = AUTO if text is None else _member("quality", text, _qualities(model))
    return chosen if chosen in model.qualities else model.default_quality


def _qualities(model: Model) -> Sequence[str]:
    dropped = ENUMS["quality"] if "quality" in model.dropped else ()
    return list(dict.fromkeys([*model.qualities, *dropped, AUTO]))


def _style(text: str | None, model: Model) -> str | None:
    if text is None:
        return model.default_style
    chosen = _member("style", text, _styles(model))
    return chosen if chosen in model.styles else None


def _styles(model: Model) -> Sequence[str]:
    return model.styles or ENUMS["style"]


def _response_format(text: str | None, model: Model) -> ResponseFormat:
    if text is None:
        return model.default_response_format
    return ResponseFormat(_member("response_format", text, ENUMS["response_format"]))


def _metadata(metadata: dict[str, str] | None) -> dict[str, str] | None:
    for name, value in (metadata or {}).items():
        if not is_text(name + value):
            raise not_text(f"metadata.{name}")
    return metadata


def _webhook_url(url: str | None, allowed: Sequence[AllowedHost]) -> str | None:
    return None if url is None else addresses.check("webhook_url", url, allowed)


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
