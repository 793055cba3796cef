"""Draws a different, deterministic picture for each prompt and index, at exactly the size asked."""

import hashlib
import io
import random
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal, assert_never

from PIL import Image

from sandbox.simulators.captions import write_caption
from sandbox.simulators.landscapes import PALETTES, compose

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
    palette = PALETTES[(_number(picture.prompt) + picture.index * 3) % len(PALETTES)]
    image = compose((picture.width, picture.height), palette, dice)
    write_caption(image, picture.prompt, palette.near)
    if picture.transparent:
        image.putalpha(_oval(image.size))
    return _encode(image, picture)


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8])


def _oval(size: tuple[int, int]) -> Image.Image:
    mask = Image.radial_gradient("L").point([max(0, min(255, (128 - value) * 8)) for value in range(256)])
    return mask.resize(size, Image.Resampling.BICUBIC)


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
