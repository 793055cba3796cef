"""What a caller asked for, as values that were already checked."""

from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any, NamedTuple, Self


class Size(NamedTuple):
    """Pixels of a picture, width first."""

    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `1024x1792`. Raises ValueError."""
        width, height = text.split("x")
        return cls(int(width), int(height))


class ResponseFormat(StrEnum):
    URL = "url"
    B64_JSON = "b64_json"


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRequest:
    """One accepted request for `n` pictures of exactly `size`.

    `quality` and `style` are the public words (`hd`, `vivid`); a model without styles has None. `extras` holds
    what only some models take: `seed`, `negative_prompt`, …
    """

    model: str
    prompt: str
    n: int
    size: Size
    quality: str
    style: str | None
    response_format: ResponseFormat
    extras: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {**{name: getattr(self, name) for name in _FIELDS}, "size": str(self.size)}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Self:
        size, response_format = Size.parse(stored["size"]), ResponseFormat(stored["response_format"])
        return cls(**{**stored, "size": size, "response_format": response_format})


_FIELDS = tuple(each.name for each in fields(GenerationRequest))
