"""The whole of what a provider is. Whoever has read this file can write one.

A provider turns an Order into pictures over HTTP. It knows nothing of jobs, the ledger, the store or Celery, and
reads no environment: what it needs comes in through its constructor. It raises ProviderError (errors.py) and
nothing else; every other exception is a bug in it.
"""

from dataclasses import dataclass
from typing import Protocol

from core.generation import Size


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to make: `n` pictures of `size`, by the provider's own `upstream_model`.

    `quality` and `style` are the public words (`standard` or `hd`; `vivid`, `natural` or None). Where the provider
    has no such choice, it comes as near as it can; a picture of another size is cut and scaled to `size` later.
    """

    upstream_model: str
    prompt: str
    n: int
    size: Size
    quality: str
    style: str | None


@dataclass(frozen=True, slots=True)
class RawPicture:
    """A picture as the provider sent it: undecoded bytes that nobody has looked at yet.

    `revised_prompt` is what the picture was really made from, where that is not what was ordered.
    """

    data: bytes
    revised_prompt: str | None = None


class Provider(Protocol):
    def submit(self, order: Order) -> list[RawPicture]:
        """Make one request for `order.n` pictures and return what came, at most `n`.

        Never repeat the request: whether to is decided by the caller, from the kind of the ProviderError.
        """
