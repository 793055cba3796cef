"""Puts an order into the terms of Black Forest Labs' models: each has its own idea of what a size is."""

from math import log, sqrt
from typing import Any

from core.generation import Size
from workers.providers.base import Order

RATIOS = ("21:9", "16:9", "3:2", "4:3", "1:1", "3:4", "2:3", "9:16", "9:21")


def body(order: Order) -> dict[str, Any]:
    """The picture's format is always named: JPEG is what comes otherwise."""
    fields: dict[str, Any] = {"prompt": order.prompt, "output_format": "png"}
    if order.extras.get("seed") is not None:
        fields["seed"] = order.extras["seed"] + order.first
    if order.upstream_model.endswith("-ultra"):
        natural = order.style == "natural" if order.style else order.quality == "hd"
        return fields | {"aspect_ratio": _ratio(order.size), "raw": natural}
    fitted = _flux_2_size(order.size) if order.upstream_model.startswith("flux-2-") else _flux_1_size(order.size)
    return fields | {"width": fitted.width, "height": fitted.height}


def _flux_1_size(size: Size) -> Size:
    """Multiples of 32 from 256 to 1440, as near to the ratio as these can be."""
    least, most, step = 256, 1440, 32
    factor = max(min(1, most / max(size)), least / min(size))
    width, height = (min(most, max(least, round(edge * factor / step) * step)) for edge in size)
    return Size(width, height)


def _flux_2_size(size: Size) -> Size:
    """Multiples of 16 from 64 on, four million pixels at most."""
    least, most_pixels, step = 64, 4_000_000, 16
    factor = min(1, sqrt(most_pixels / (size.width * size.height)))
    width, height = (max(least, int(edge * factor / step) * step) for edge in size)
    return Size(width, height)


def _ratio(size: Size) -> str:
    def distance(ratio: str) -> float:
        width, height = map(int, ratio.split(":"))
        return abs(log(width / height) - log(size.width / size.height))

    return min(RATIOS, key=distance)
