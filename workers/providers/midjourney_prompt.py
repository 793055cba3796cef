"""Writes an order the way Midjourney reads it: one line of text, then parameters, none of them the caller's."""

import re
from math import gcd

from workers.providers.base import Order

# Midjourney takes `--` for the start of a parameter, and the long dashes that keyboards make of it, too: whatever
# could be read so becomes one hyphen, which never is. Invisible signs between hyphens do not keep them apart.
LONG = "\u2013-\u2015\u2e3a\u2e3b"
DASH = rf"[-\u2010-\u2012\u2212\ufe58\ufe63\uff0d{LONG}]"
INVISIBLE = r"[\u00ad\u034f\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufe00-\ufe0f\ufeff]"
FLAG = re.compile(rf"{DASH}(?:{INVISIBLE}*{DASH})+|[{LONG}]")
# `{red, green} fox` is a permutation prompt: two grids, hence two charges, for one order.
BRACES = str.maketrans("{}", "()")
SEEDS = 4_294_967_296


def prompt(order: Order) -> str:
    """The caller's words without any power over the parameters, which come last, as they must."""
    return " ".join([_harmless(order.prompt), *_parameters(order)])


def _parameters(order: Order) -> list[str]:
    width, height = order.size
    divisor = gcd(width, height)
    unwanted, seed = order.extras.get("negative_prompt"), order.extras.get("seed")
    return [
        *([f"--no {_harmless(str(unwanted))}"] if unwanted else []),
        *([f"--seed {(int(seed) + order.first) % SEEDS}"] if seed is not None else []),
        *(["--style raw"] if order.style == "natural" else []),
        *(["--q 2"] if order.quality == "hd" else []),
        f"--ar {width // divisor}:{height // divisor}",
        f"--v {order.upstream_model.removeprefix('v')}",
    ]


def _harmless(text: str) -> str:
    return " ".join(FLAG.sub("-", text).translate(BRACES).split())
