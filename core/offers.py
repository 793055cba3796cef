"""What the catalog says of one model and of one provider: values, each of which makes sense by itself."""

import re
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from math import ceil
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainValidator

from core.generation import ResponseFormat, Size

ANY = "any"
AREA = 1024 * 1024
MOST_PICTURES = 10
SIZE = re.compile(r"[1-9][0-9]{0,4}x[1-9][0-9]{0,4}")
RATE = r"^[1-9][0-9]{0,8}/([1-9][0-9]{0,4} )?(second|minute|hour|day)s?$"


class Adapter(StrEnum):
    """How a provider is spoken to; each has its module in workers/providers/."""

    OPENAI = "openai"
    STABILITY = "stability"
    BFL = "bfl"
    MIDJOURNEY = "midjourney"
    OPENAI_COMPATIBLE = "openai_compatible"


class Dialect(StrEnum):
    """What servers with OpenAI's route make of it (docs/catalog.md)."""

    OPENAI = "openai"
    TOGETHER = "together"
    LOCALAI = "localai"


class WhenUnknown(StrEnum):
    """What follows when the answer to a call that may have been charged is lost."""

    RETRY = "retry"
    FAIL = "fail"


class Extra(StrEnum):
    """Parameters that only some models take."""

    NEGATIVE_PROMPT = "negative_prompt"
    SEED = "seed"
    STYLE_PRESET = "style_preset"
    BACKGROUND = "background"
    MODERATION = "moderation"
    OUTPUT_FORMAT = "output_format"
    OUTPUT_COMPRESSION = "output_compression"


# What may be taken from callers without being kept to: the response says so.
DROPPABLE = ("user", "quality", "style", *Extra)


def _size(value: object) -> Size:
    if not isinstance(value, str) or not SIZE.fullmatch(value):
        raise ValueError("is not a size such as 1024x768")
    return Size.parse(value)


def rate(text: str) -> str:
    """A limit on calls. Raises ValueError."""
    if not re.fullmatch(RATE, text):
        raise ValueError(f"{text!r} is not a rate such as 60/minute or 150/10 seconds")
    return text


def _price(value: object) -> object:
    """A number would not be what was written: 0.1 has no exact form in binary."""
    if not isinstance(value, str):
        raise ValueError('is not a decimal in quotes, such as "0.04"')  # noqa: TRY004 - pydantic words ValueError
    return value


def _droppable(value: object) -> str:
    if value not in DROPPABLE:
        raise ValueError(f"is not one of {', '.join(DROPPABLE)}")
    return str(value)


SizeText = Annotated[Size, PlainValidator(_size)]
Price = Annotated[Decimal, BeforeValidator(_price), Field(ge=0)]
Word = Annotated[str, Field(min_length=1)]
Count = Annotated[int, Field(strict=True, ge=1)]
Seconds = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
Flag = Annotated[bool, Field(strict=True)]
Droppable = Annotated[str, PlainValidator(_droppable)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Seconds for the connection, between two bytes of the answer, and for the whole call."""

    connect: Seconds = 5.0
    read: Seconds = 150.0
    whole: Seconds = 180.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A public model id and its limits.

    `created` is a Unix time in seconds, `max_prompt` counts characters, `prices` are dollars a picture by size and
    quality. Without `styles` the model has no such choice. `dropped` names what it takes and does not keep to.
    """

    id: str
    provider: str
    upstream_model: Word
    owned_by: Word
    created: Annotated[int, Field(strict=True, ge=0)]
    sizes: Annotated[tuple[SizeText, ...], Field(min_length=1)]
    default_size: SizeText
    prices: dict[str, dict[str, Price]]
    max_prompt: Count
    enabled: Flag = True
    free_sizes: Flag = False
    qualities: Annotated[tuple[Word, ...], Field(min_length=1)] = ("standard",)
    default_quality: str = "standard"
    styles: tuple[Word, ...] = ()
    default_style: str | None = None
    default_response_format: ResponseFormat = ResponseFormat.URL
    max_n: Annotated[int, Field(strict=True, ge=1, le=MOST_PICTURES)] = MOST_PICTURES
    extras: tuple[Extra, ...] = ()
    dropped: tuple[Droppable, ...] = ()
    revises_prompt: Flag = False
    fallbacks: tuple[str, ...] = ()
    timeouts: Timeouts = field(default_factory=Timeouts)

    def price(self, size: Size, quality: str) -> Decimal:
        """Dollars for one picture; a free size costs `any` for each begun 1024x1024 of its area."""
        if str(size) in self.prices:
            return self.prices[str(size)][quality]
        return self.prices[ANY][quality] * ceil(size.width * size.height / AREA)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderEntry:
    """Whom a pool of workers calls, and how much at once.

    `slots` is what the provider's row starts with; `rate` is a published limit as `150/10 seconds`; `poll_seconds`
    and `deadline_seconds` are for providers that are asked again and again until a picture is ready. What follows
    belongs to `openai_compatible` alone.
    """

    name: str
    adapter: Adapter
    pictures_per_call: Annotated[int, Field(strict=True, ge=1, le=MOST_PICTURES)] = 1
    slots: Annotated[int, Field(strict=True, ge=0, le=100_000)] = 100
    rate: Annotated[str, Field(pattern=RATE)] | None = None
    when_unknown: WhenUnknown = WhenUnknown.RETRY
    poll_seconds: Seconds = 1.0
    deadline_seconds: Seconds = 300.0
    base_url: Annotated[str, Field(pattern=r"^https?://[!-~]+$")] | None = None
    key_variable: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")] | None = None
    dialect: Dialect = Dialect.OPENAI


def faults(offer: Model | ProviderEntry) -> list[tuple[str, str]]:
    """Each field that contradicts another one of the same entry, and why."""
    return _of_model(offer) if isinstance(offer, Model) else _of_provider(offer)


def _of_model(model: Model) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = [*_unpriced(model)]
    if model.default_size not in model.sizes:
        found.append(("default_size", f"{model.default_size} is not among the sizes"))
    if model.default_quality not in model.qualities:
        found.append(("default_quality", f"{model.default_quality} is not among the qualities"))
    if model.default_style not in (model.styles or (None,)):
        found.append(("default_style", f"{model.default_style} is not among the styles"))
    for name in ("sizes", "qualities", "styles", "extras", "dropped", "fallbacks"):
        listed: tuple[Any, ...] = getattr(model, name)
        if len(set(listed)) < len(listed):
            found.append((name, "names something twice"))
    kept = {
        *model.extras,
        *(["style"] if model.styles else []),
        *(["quality"] if len(model.qualities) > 1 else []),
    }
    found += [("dropped", f"{name} is a choice that the model has") for name in model.dropped if name in kept]
    return found


def _unpriced(model: Model) -> list[tuple[str, str]]:
    rows = [*map(str, model.sizes), *([ANY] if model.free_sizes else [])]
    found = [
        (f"prices.{row}.{quality}", "is missing")
        for row in rows
        for quality in model.qualities
        if quality not in model.prices.get(row, {})
    ]
    wrong = [row for row in model.prices if row != ANY and not SIZE.fullmatch(row)]
    return found + [(f"prices.{row}", "is neither a size such as 1024x768 nor any") for row in wrong]


def _of_provider(entry: ProviderEntry) -> list[tuple[str, str]]:
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", entry.name):
        return [("name", "is not of small letters, digits, - and _")]
    if entry.adapter is not Adapter.OPENAI_COMPATIBLE:
        given = [name for name in ("base_url", "key_variable") if getattr(entry, name)]
        found = [(name, "belongs to openai_compatible; this one is set by the environment") for name in given]
        own = (
            [("adapter", f"{entry.adapter} is for the provider of that name")]
            if entry.name != entry.adapter
            else []
        )
        return found + own
    if entry.name in set(Adapter):
        return [("adapter", f"{entry.name} is the name of a built-in provider")]
    return [] if entry.base_url else [("base_url", "is missing")]
