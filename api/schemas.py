"""The public contract: what a body of POST /v1/images/generations holds, and what answers look like.

Callers read these docstrings, too: /openapi.json and /docs are made of them.
"""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from core.catalog import Model
from core.results import Image, Result

Name = Annotated[str, Field(max_length=64)]
Note = Annotated[str, Field(max_length=512)]


class ImageGenerationBody(BaseModel):
    """Types and ranges that hold for every model; null means the default wherever null is allowed."""

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)

    model: str | None = None
    """One of `GET /v1/models`. Required unless the operator has set a default."""
    prompt: Annotated[str, Field(min_length=1)]
    """What to draw. How many characters it may have depends on the model."""
    n: Annotated[int, Field(ge=1, le=10)] | None = 1
    """How many pictures; some models make 1 only."""
    size: str | None = None
    """`WIDTHxHEIGHT`, one of the model's, or `auto`. The default is the model's."""
    quality: str | None = None
    """One of the model's. `auto` is its default."""
    style: str | None = None
    """Only of models that have styles."""
    response_format: str | None = None
    """An address, which holds for an hour, or the picture itself. The default is the model's: `url` for most."""
    user: str = ""
    """Taken as OpenAI takes it, and passed on to nobody."""
    stream: bool | None = None
    """Pictures come whole: `true` is refused."""
    metadata: Annotated[dict[Name, Note], Field(max_length=16)] | None = None
    """Beyond OpenAI's contract: up to 16 pairs, kept with the job, which can be found by them."""
    webhook_url: str | None = None
    """Beyond OpenAI's contract: where the job's end is told, besides the API key's webhooks."""

    priority: Annotated[int, Field(ge=-100, le=100)] | None = None
    """Beyond OpenAI's contract: of the API key's own jobs those of a higher one start first. 0 is usual."""

    # What only some models take; api/validation.py refuses it by name for all others.
    negative_prompt: Annotated[str, Field(max_length=10_000)] | None = None
    """What not to draw. Beyond OpenAI's contract; only some models."""
    seed: Annotated[int, Field(ge=0, le=4_294_967_294)] | None = None
    """The same seed gives a similar picture. Beyond OpenAI's contract; only some models."""
    style_preset: str | None = None
    """One of Stability's styles. Beyond OpenAI's contract; only some models."""
    background: str | None = None
    """Only some models."""
    moderation: str | None = None
    """How strict the provider is. Only some models."""
    output_format: str | None = None
    """Every picture is a PNG. Only some models take the parameter at all."""
    output_compression: Annotated[int, Field(ge=0, le=100)] | None = None
    """PNG is not compressed further: 100. Only some models take the parameter at all."""


class Picture(BaseModel):
    """A picture, at its address or in itself, as `response_format` has it."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    url: str | SkipJsonSchema[None] = None
    """Where it is for an hour."""
    b64_json: str | SkipJsonSchema[None] = None
    """The PNG in base64."""
    revised_prompt: str | SkipJsonSchema[None] = None
    """What was drawn; only of models that revise prompts."""


class ImagesResponse(BaseModel):
    """The pictures, as many as were asked for."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    created: int
    """Unix seconds."""
    data: list[Picture]


class ModelResponse(BaseModel):
    """An AI model that can be asked for pictures."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    id: str
    object: Literal["model"]
    created: int
    """Unix seconds."""
    owned_by: str


class ModelList(BaseModel):
    """The AI models that the API key may use."""

    object: Literal["list"]
    data: list[ModelResponse]


def images_response(
    result: Result, show: Callable[[Image], dict[str, str]], *, model: Model | None
) -> dict[str, Any]:
    """One `data` item a picture, in the form that `show` gives it; `model` may be on offer no more."""

    def item(image: Image) -> Picture:
        revised = {"revised_prompt": image.revised_prompt or ""} if model and model.revises_prompt else {}
        return Picture(**show(image), **revised)

    pictures = [item(image) for image in result.images]
    response = ImagesResponse(created=int(result.created_at.timestamp()), data=pictures)
    return response.model_dump(exclude_unset=True)


def model_response(model: Model) -> ModelResponse:
    return ModelResponse(id=model.id, object="model", created=model.created, owned_by=model.owned_by)
