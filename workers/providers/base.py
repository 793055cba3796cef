"""The whole of what a provider is. Whoever has read this file can write one.

A provider turns an Order into pictures over HTTP. It knows nothing of jobs, the ledger, the store or Celery, and
reads no environment: what it needs comes in through its constructor. It raises ProviderError (errors.py) and
nothing else; every other exception is a bug in it. It is used by many threads at once.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.generation import Size
from workers.providers.allowances import Told


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to make: `n` pictures of `size`, by the provider's own `upstream_model`.

    `quality` and `style` are the public words (`standard` or `hd`; `vivid`, `natural` or None), `extras` what the
    caller gave beyond them (`negative_prompt`, `seed`, …; only what the catalog allows for the model). Where the
    provider has no such choice, it comes as near as it can. `n` is never above the provider's
    `pictures_per_call`; `first` is the position of the first of them among all that the caller gets.
    """

    upstream_model: str
    prompt: str
    n: int
    size: Size
    quality: str
    style: str | None
    first: int = 0
    extras: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RawPicture:
    """A picture as the provider sent it: undecoded bytes that nobody has looked at yet.

    `revised_prompt` is what the picture was really made from, where that is not what was ordered. A picture of
    another size than the order's is cut and scaled later, from its middle.
    """

    data: bytes
    revised_prompt: str | None = None


@dataclass(frozen=True, slots=True)
class Delivered:
    """The pictures, at most as many as were ordered."""

    pictures: list[RawPicture]


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider works on it. `handle` is all that another process needs to `poll`: plain JSON, no secrets."""

    handle: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Pending:
    """Not yet. `retry_after` in seconds if the provider said so; a changed `handle` replaces the one before."""

    retry_after: float | None = None
    handle: Mapping[str, Any] | None = None


class Provider(ABC):
    pictures_per_call: int = 1
    # What it said last of its own rate limit, if it ever does.
    told: Told | None = None

    @abstractmethod
    def submit(self, order: Order) -> Delivered | Accepted:
        """Make one request that may be charged for. Never repeat it: that is decided by the caller."""

    def poll(self, order: Order, handle: Mapping[str, Any]) -> Delivered | Pending:
        """Ask once what became of an Accepted order. Unavailable means: ask again; TaskFailed: order anew."""
        raise NotImplementedError
