"""OpenAI's Images API, in both its eras: GPT image models, and DALL-E for upstreams that still serve it.

Wire facts: OpenAI's OpenAPI document 2.3.0 and recorded answers; see docs/providers/openai.md.
"""

from math import ceil
from typing import Any

from core.generation import Size
from workers.providers import allowances
from workers.providers.base import Delivered, Order, Provider
from workers.providers.http import Client
from workers.providers.openai_answers import pictures

GPT_QUALITY = {"standard": "medium", "hd": "high"}
# GPT image models draw no less than this; smaller pictures are scaled down here.
GPT_SMALLEST = 1024
LONGEST_EDGE = 3840
GPT_EXTRAS = ("background", "moderation")


class OpenAI(Provider):
    """`client` speaks to a base address that ends in /v1, with the key in its headers."""

    pictures_per_call = 10

    def __init__(self, client: Client) -> None:
        self._client = client

    def submit(self, order: Order) -> Delivered:
        native = order.upstream_model.startswith("dall-e")
        body = _dall_e(order) if native else _gpt_image(order)
        answer = self._client.post("/images/generations", body)
        self.told = allowances.read(answer.headers) or self.told
        return Delivered(pictures(answer, made_from=None if native else body["prompt"]))


def _dall_e(order: Order) -> dict[str, Any]:
    body = {
        "model": order.upstream_model,
        "prompt": order.prompt,
        "n": order.n,
        "size": str(order.size),
        "response_format": "b64_json",
    }
    if order.upstream_model == "dall-e-3":
        body |= {"quality": order.quality, "style": order.style or "vivid"}
    return body


def _gpt_image(order: Order) -> dict[str, Any]:
    """GPT image models know no `style`: the one that is not their habit goes into the prompt."""
    natural = "\n\nA natural, realistic look, not hyper-real or dramatic." if order.style == "natural" else ""
    return {
        "model": order.upstream_model,
        "prompt": order.prompt + natural,
        "n": order.n,
        "size": str(_gpt_size(order.size)),
        "quality": GPT_QUALITY.get(order.quality, order.quality),
        "output_format": "png",
        **{name: order.extras[name] for name in GPT_EXTRAS if name in order.extras},
    }


def _gpt_size(size: Size) -> Size:
    """The smallest whole multiple that is large enough, or the size itself where that would be too large."""
    factor = ceil(GPT_SMALLEST / min(size))
    return Size(size.width * factor, size.height * factor) if max(size) * factor <= LONGEST_EDGE else size
