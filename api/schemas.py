"""The public contract: what a body of POST /v1/images/generations holds, and what answers look like."""

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from core.catalog import Model
from core.results import Image, Result

Name = Annotated[str, Field(max_length=64)]
Note = Annotated[str, Field(max_length=512)]


class ImageGenerationBody(BaseModel):
    """Types and ranges that hold for every model; null means the default wherever null is allowed."""

    model_config = ConfigDict(extra="forbid", strict=True)

    model: str | None = None
    prompt: Annotated[str, Field(min_length=1)]
    n: Annotated[int, Field(ge=1, le=10)] | None = 1
    size: str | None = None
    quality: str | None = None
    style: str | None = None
    response_format: str | None = None
    user: str = ""
    # Pictures come whole: api/validation.py refuses `true` by name.
    stream: bool | None = None
    # Beyond OpenAI's contract: kept with the job, which can be found by it.
    metadata: Annotated[dict[Name, Note], Field(max_length=16)] | None = None

    # What only some models take; api/validation.py refuses it by name for all others.
    negative_prompt: Annotated[str, Field(max_length=10_000)] | None = None
    seed: Annotated[int, Field(ge=0, le=4_294_967_294)] | None = None
    style_preset: str | None = None
    background: str | None = None
    moderation: str | None = None
    output_format: str | None = None
    output_compression: Annotated[int, Field(ge=0, le=100)] | None = None


def images_response(result: Result, show: Callable[[Image], dict[str, str]], *, model: Model) -> dict[str, Any]:
    """`created` in Unix seconds and one `data` item a picture, in the form that `show` gives it."""

    def item(image: Image) -> dict[str, str]:
        revised = {"revised_prompt": image.revised_prompt or ""} if model.revises_prompt else {}
        return {**show(image), **revised}

    return {"created": int(result.created_at.timestamp()), "data": [item(image) for image in result.images]}


def model_response(model: Model) -> dict[str, Any]:
    return {"id": model.id, "object": "model", "created": model.created, "owned_by": model.owned_by}
