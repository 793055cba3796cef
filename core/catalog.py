"""Which AI models exist, who makes their pictures, and what a caller may ask of each."""

from collections.abc import Collection
from dataclasses import dataclass

from core.generation import Size


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A public model id and its limits.

    `created` is a Unix time in seconds, `max_prompt` counts characters; an empty `qualities` or `styles`
    means that the model has no such choice beyond the default.
    """

    id: str
    created: int
    owned_by: str
    provider: str
    upstream_model: str
    sizes: tuple[Size, ...]
    max_prompt: int
    max_n: int = 10
    qualities: tuple[str, ...] = ("standard",)
    styles: tuple[str, ...] = ()
    revises_prompt: bool = False


# OpenAI shut dall-e-2 and dall-e-3 down on 2026-05-12. Their names, sizes and limits live on here; the pictures
# come from gpt-image-2, which takes any size divisible by 16.
MODELS = (
    Model(
        id="dall-e-3",
        created=1698785189,
        owned_by="system",
        provider="openai",
        upstream_model="gpt-image-2",
        sizes=(Size(1024, 1024), Size(1024, 1792), Size(1792, 1024)),
        max_prompt=4000,
        max_n=1,
        qualities=("standard", "hd"),
        styles=("vivid", "natural"),
        revises_prompt=True,
    ),
    Model(
        id="dall-e-2",
        created=1698798177,
        owned_by="system",
        provider="openai",
        upstream_model="gpt-image-2",
        sizes=(Size(256, 256), Size(512, 512), Size(1024, 1024)),
        max_prompt=1000,
    ),
)


class Catalog:
    """The models of the providers that can be called."""

    def __init__(self, providers: Collection[str]) -> None:
        self.models = tuple(model for model in MODELS if model.provider in providers)

    @property
    def providers(self) -> list[str]:
        return sorted({model.provider for model in self.models})

    def model(self, model_id: str) -> Model | None:
        return next((model for model in self.models if model.id == model_id), None)
