"""Reads a generation request as Stability does: multipart only, every range kept, all mistakes named at once."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from typing import cast

from flask import Request
from PIL import Image
from werkzeug.datastructures import FileStorage

from sandbox.simulators.pictures import Format, Picture
from sandbox.simulators.stability_errors import MULTIPART_ONLY, bad_request
from sandbox.simulators.stability_models import DEFAULT_MODEL, ONE_MEGAPIXEL, STYLE_PRESETS, Endpoint

LONGEST_TEXT = 10_000
LARGEST_SEED = 4_294_967_294
SIDES = range(64, 16_385)
TEXT, IMAGE = "text-to-image", "image-to-image"
ACCEPTED = ("image/*", "application/json")


@dataclass(frozen=True)
class ImageRequest:
    """`seed` is never 0: one is picked where the caller left that open."""

    endpoint: Endpoint
    model: str
    prompt: str
    seed: int
    aspect_ratio: str
    output_format: Format
    as_json: bool

    @property
    def picture(self) -> Picture:
        width, height = self.endpoint.pixels(self.aspect_ratio)
        return Picture(self.prompt, self.seed, width, height, self.output_format)


def parse(request: Request, endpoint: Endpoint) -> ImageRequest:
    """Raise ApiError with every rule that is broken; parts it does not know are left alone, as Stability does."""
    if request.mimetype != "multipart/form-data":
        raise bad_request(MULTIPART_ONLY)
    form = _Form(request)
    asked = ImageRequest(
        endpoint=endpoint,
        as_json=form.accepted() == "application/json",
        model=form.choice("model", endpoint.models, DEFAULT_MODEL) if endpoint.models else endpoint.name,
        prompt=form.text("prompt", required=True),
        seed=_seed(form),
        aspect_ratio=form.choice("aspect_ratio", tuple(ONE_MEGAPIXEL), "1:1"),
        output_format=cast("Format", form.choice("output_format", endpoint.formats, "png")),
    )
    form.text("negative_prompt")
    form.choice("style_preset", STYLE_PRESETS, "")
    if endpoint.has_mode:
        form.number("cfg_scale", (1, 10))
    if endpoint.takes_image:
        _check_image(form, endpoint)
    if form.errors:
        raise bad_request(*form.errors)
    return asked


def _seed(form: "_Form") -> int:
    given = int(form.number("seed", (0, LARGEST_SEED), whole=True))
    return given or random.randint(1, LARGEST_SEED)  # noqa: S311 - a picture's seed, no secret


class _Form:
    """The parts of one request, and what was found wrong with them."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._fields = request.form
        self._files = request.files
        self.errors: list[str] = []

    def has(self, name: str) -> bool:
        return name in self._fields or name in self._files

    def accepted(self) -> str:
        accept = self._request.headers.get("Accept", ACCEPTED[0])
        if accept not in ACCEPTED:
            self.errors.append(f"accept: must be one of {', '.join(ACCEPTED)}")
        return accept

    def text(self, name: str, *, required: bool = False) -> str:
        text = self._fields.get(name, "")
        if required and name not in self._fields:
            self.errors.append(f"{name}: is required")
        elif len(text) > LONGEST_TEXT or (required and not text):
            self.errors.append(f"{name}: must be between {int(required)} and {LONGEST_TEXT} characters")
        return text

    def choice(self, name: str, choices: Sequence[str], default: str) -> str:
        value = self._fields.get(name, default)
        if name in self._fields and value not in choices:
            self.errors.append(f"{name}: must be one of {', '.join(choices)}")
            return default
        return value

    def number(self, name: str, numbers: tuple[int, int], *, whole: bool = False) -> float:
        least, most = numbers
        try:
            value = float(self._fields.get(name, least))
        except ValueError:
            value = nan
        if least <= value <= most and not (whole and value % 1):
            return value
        self.errors.append(f"{name}: must be {'a whole' if whole else 'a'} number between {least} and {most}")
        return least

    def require(self, *names: str) -> None:
        self.errors += [f"{name}: is required" for name in names if not self.has(name)]

    def refuse(self, *names: str, unless: str) -> None:
        self.errors += [f"{name}: is only allowed when mode is {unless}" for name in names if self.has(name)]

    def image(self) -> None:
        file = self._files.get("image")
        sides = _sides(file) if file else None
        if sides is None:
            self.errors.append("image: must be a jpeg, png or webp image")
        elif not all(side in SIDES for side in sides):
            self.errors.append(f"image: width and height must be between {SIDES[0]} and {SIDES[-1]} pixels")


def _check_image(form: _Form, endpoint: Endpoint) -> None:
    """Image and strength come together; sd3 wants their mode said as well, and then no ratio."""
    mode = form.choice("mode", (TEXT, IMAGE), TEXT) if endpoint.has_mode else ""
    form.number("strength", (0, 1))
    if mode == TEXT:
        form.refuse("image", "strength", unless=IMAGE)
        return
    if mode == IMAGE:
        form.refuse("aspect_ratio", unless=TEXT)
        form.require("image", "strength")
    elif form.has("image"):
        form.require("strength")
    if form.has("image"):
        form.image()


def _sides(file: FileStorage) -> tuple[int, int] | None:
    try:
        with Image.open(file.stream, formats=("JPEG", "PNG", "WEBP")) as image:
            return image.size
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
