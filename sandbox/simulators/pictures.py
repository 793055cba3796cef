"""Draws a different, deterministic picture for each prompt and index, at exactly the size asked."""

import hashlib
import io
import random
import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal, assert_never

from PIL import Image, ImageDraw

from sandbox.simulators.captions import write_caption
from sandbox.simulators.landscapes import compose, palette_for

Format = Literal["png", "jpeg", "webp"]


@dataclass(frozen=True)
class Picture:
    """What is drawn; equal pictures are equal bytes."""

    prompt: str
    index: int
    width: int
    height: int
    format: Format = "png"
    quality: int = 90
    transparent: bool = False

    def at_half_size(self) -> "Picture":
        return replace(self, width=max(1, self.width // 2), height=max(1, self.height // 2))


@lru_cache(maxsize=32)
def draw(picture: Picture) -> bytes:
    """Encode the picture in its format; the last few are remembered, for clients that ask again."""
    dice = random.Random(_number(f"{picture.index}\n{picture.prompt}"))  # noqa: S311 - a landscape, no secret
    words = re.findall(r"\w+", picture.prompt.lower())
    palette = palette_for(words, _number(picture.prompt) + picture.index)
    image = compose((picture.width, picture.height), words, palette, dice)
    write_caption(image, picture.prompt, palette.near)
    if picture.transparent:
        image.putalpha(_vignette(image.size))
    return _encode(image, picture)


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8])


def _vignette(size: tuple[int, int]) -> Image.Image:
    """Cut a card with round corners out of a transparent ground."""
    card = Image.new("L", (256, 256))
    ImageDraw.Draw(card).rounded_rectangle((10, 10, 245, 245), 48, 255)
    return card.resize(size, Image.Resampling.BICUBIC)


def _encode(image: Image.Image, picture: Picture) -> bytes:
    body = io.BytesIO()
    match picture.format:
        case "png":
            image.save(body, "PNG", compress_level=1)
        case "jpeg":
            image.convert("RGB").save(body, "JPEG", quality=max(1, picture.quality))
        case "webp":
            image.save(body, "WEBP", quality=picture.quality, method=1)
        case _:
            assert_never(picture.format)
    return body.getvalue()
