"""Any other server with OpenAI's image route: vLLM-Omni, SGLang, LocalAI, Together, another Darkroom.

Wire facts and what each dialect makes of an order: docs/catalog.md.
"""

from collections.abc import Callable, Mapping
from typing import Any

from core.offers import Dialect
from workers.providers import allowances
from workers.providers.base import Delivered, Order, Provider
from workers.providers.http import Client
from workers.providers.openai_answers import pictures

LARGEST_SEED = 2**32 - 1


class OpenAICompatible(Provider):
    """`client` speaks to the address before `/images/generations`, with the key if there is one."""

    def __init__(self, client: Client, *, dialect: Dialect, pictures_per_call: int) -> None:
        self._client = client
        self._body = BODIES[dialect]
        self.pictures_per_call = pictures_per_call

    def submit(self, order: Order) -> Delivered:
        """Pictures are always asked for in base64: an address would be one more host to trust, and may be gone."""
        answer = self._client.post("/images/generations", self._body(order))
        self.told = allowances.read(answer.headers) or self.told
        return Delivered(pictures(answer))


def _openai(order: Order) -> dict[str, Any]:
    """Many servers refuse what they do not know, so that only what differs from the default is sent."""
    quality = {} if order.quality == "standard" else {"quality": order.quality}
    style = {} if order.style is None else {"style": order.style}
    return {**_basis(order), **quality, **style, **_extras(order)}


def _together(order: Order) -> dict[str, Any]:
    body = {**_basis(order), "response_format": "base64", **_extras(order)}
    del body["size"]
    return {**body, "width": order.size.width, "height": order.size.height}


def _localai(order: Order) -> dict[str, Any]:
    """What is to be left out comes after a `|`; one within the prompt would turn its rest into that."""
    extras = _extras(order)
    prompt, negative = order.prompt.replace("|", ","), extras.pop("negative_prompt", None)
    return {**_basis(order), "prompt": f"{prompt}|{negative}" if negative else prompt, **extras}


def _basis(order: Order) -> dict[str, Any]:
    return {
        "model": order.upstream_model,
        "prompt": order.prompt,
        "n": order.n,
        "size": str(order.size),
        "response_format": "b64_json",
    }


def _extras(order: Order) -> dict[str, Any]:
    """Pictures of one seed are alike: each call's own follows from its first picture's position."""
    extras = dict(order.extras)
    if "seed" in extras:
        extras["seed"] = (extras["seed"] + order.first) % LARGEST_SEED
    return extras


BODIES: Mapping[Dialect, Callable[[Order], dict[str, Any]]] = {
    Dialect.OPENAI: _openai,
    Dialect.TOGETHER: _together,
    Dialect.LOCALAI: _localai,
}
