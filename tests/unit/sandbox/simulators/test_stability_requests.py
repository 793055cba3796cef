from contextlib import closing
from io import BytesIO
from typing import Any

import pytest
from flask import Request
from PIL import Image
from werkzeug.test import EnvironBuilder

from sandbox.simulators.stability_errors import ApiError
from sandbox.simulators.stability_models import ENDPOINTS, ONE_MEGAPIXEL, STYLE_PRESETS
from sandbox.simulators.stability_requests import ImageRequest, parse

LONGEST = "ö" * 10_000
REFUSED: list[tuple[str, dict[str, str], str]] = [
    ("sd3", {"prompt": ""}, "prompt: must be between 1 and 10000 characters"),
    ("sd3", {"prompt": LONGEST + "x"}, "prompt: must be between 1 and 10000 characters"),
    ("sd3", {"negative_prompt": LONGEST + "x"}, "negative_prompt: must be between 0 and 10000 characters"),
    (
        "sd3",
        {"aspect_ratio": "4:3"},
        "aspect_ratio: must be one of 21:9, 16:9, 3:2, 5:4, 1:1, 4:5, 2:3, 9:16, 9:21",
    ),
    ("core", {"aspect_ratio": "3:4"}, "aspect_ratio: must be one of "),
    ("sd3", {"seed": "4294967295"}, "seed: must be a whole number between 0 and 4294967294"),
    ("sd3", {"seed": "-1"}, "seed: must be a whole number between 0 and 4294967294"),
    ("sd3", {"seed": "1.5"}, "seed: must be a whole number between 0 and 4294967294"),
    ("ultra", {"seed": "nan"}, "seed: must be a whole number between 0 and 4294967294"),
    ("sd3", {"output_format": "webp"}, "output_format: must be one of png, jpeg"),
    ("core", {"output_format": "gif"}, "output_format: must be one of png, jpeg, webp"),
    ("sd3", {"model": "sd3"}, "model: must be one of sd3.5-large, sd3.5-large-turbo, sd3.5-medium, sd3.5-flash"),
    ("sd3", {"mode": "image"}, "mode: must be one of text-to-image, image-to-image"),
    ("sd3", {"cfg_scale": "0.9"}, "cfg_scale: must be a number between 1 and 10"),
    ("sd3", {"cfg_scale": "many"}, "cfg_scale: must be a number between 1 and 10"),
    ("sd3", {"style_preset": "vivid"}, "style_preset: must be one of enhance, anime, "),
    ("sd3", {"strength": "0.5"}, "strength: is only allowed when mode is image-to-image"),
    ("ultra", {"strength": "1.1"}, "strength: must be a number between 0 and 1"),
]


def parsed(endpoint: str, fields: dict[str, Any], accept: str = "image/*") -> ImageRequest:
    sent = EnvironBuilder(
        method="POST",
        data={name: value for name, value in fields.items() if value is not None},
        content_type="multipart/form-data",
        headers=[("Accept", accept)],
    )
    with closing(Request(sent.get_environ())) as request:
        return parse(request, ENDPOINTS[endpoint])


def errors(endpoint: str, fields: dict[str, Any], accept: str = "image/*") -> list[str]:
    with pytest.raises(ApiError) as refused:
        parsed(endpoint, fields, accept)
    assert (refused.value.status, refused.value.name) == (400, "bad_request")
    return refused.value.errors


def picture(width: int, height: int, form: str = "png") -> tuple[BytesIO, str]:
    file = BytesIO()
    Image.new("RGB", (width, height)).save(file, form)
    file.seek(0)
    return file, f"picture.{form}"


@pytest.mark.parametrize(("endpoint", "fields", "text"), REFUSED)
def test_a_value_out_of_range_is_refused_by_its_name(endpoint: str, fields: dict[str, str], text: str) -> None:
    [error] = errors(endpoint, {"prompt": "a fox", **fields})

    assert error.startswith(text)


def test_a_prompt_is_required_and_all_mistakes_are_named_at_once() -> None:
    assert errors("sd3", {"seed": "-1"}) == [
        "prompt: is required",
        "seed: must be a whole number between 0 and 4294967294",
    ]


@pytest.mark.parametrize("accept", ["*/*", "image/png", "text/html", "image/*, */*"])
def test_only_two_kinds_of_answer_can_be_asked_for(accept: str) -> None:
    assert errors("core", {"prompt": "a fox"}, accept) == ["accept: must be one of image/*, application/json"]


@pytest.mark.parametrize("content_type", ["application/json", "application/x-www-form-urlencoded", ""])
def test_what_is_not_multipart_is_refused_in_stabilitys_words(content_type: str) -> None:
    sent = EnvironBuilder(method="POST", data=b"prompt=fox", content_type=content_type)

    with pytest.raises(ApiError) as refused:
        parse(Request(sent.get_environ()), ENDPOINTS["sd3"])

    assert refused.value.errors == ["content-type: must be multipart/form-data"]


@pytest.mark.parametrize("ratio", ONE_MEGAPIXEL)
@pytest.mark.parametrize(("endpoint", "megapixels"), [("sd3", 1), ("core", 1.5), ("ultra", 1)])
def test_a_picture_has_the_shape_and_the_pixels_asked(ratio: str, endpoint: str, megapixels: float) -> None:
    drawn = parsed(endpoint, {"prompt": "a fox", "aspect_ratio": ratio}).picture

    across, down = map(int, ratio.split(":"))
    assert drawn.width / drawn.height == pytest.approx(across / down, rel=0.1)
    assert drawn.width * drawn.height / 1024**2 == pytest.approx(megapixels, rel=0.1)


def test_what_is_left_out_is_as_documented() -> None:
    asked = parsed("sd3", {"prompt": LONGEST})

    assert (asked.model, asked.aspect_ratio, asked.output_format) == ("sd3.5-large", "1:1", "png")
    assert 1 <= asked.seed <= 4_294_967_294
    assert not asked.as_json


def test_no_seed_and_a_seed_of_0_are_a_picture_that_did_not_exist() -> None:
    seeds = {parsed("sd3", {"prompt": "a fox", "seed": seed}).seed for seed in (None, "0", "0", None)}

    assert len(seeds) == 4
    assert parsed("sd3", {"prompt": "a fox", "seed": "4294967294"}).seed == 4_294_967_294


@pytest.mark.parametrize("preset", STYLE_PRESETS)
def test_every_documented_preset_is_taken(preset: str) -> None:
    assert parsed("core", {"prompt": "a fox", "style_preset": preset}).prompt == "a fox"


def test_parts_that_only_force_multipart_are_left_alone() -> None:
    assert parsed("core", {"prompt": "a fox", "none": (BytesIO(), "none"), "model": "no-such"}).model == "core"


@pytest.mark.parametrize("form", ["png", "jpeg", "webp"])
def test_an_image_is_taken_with_its_mode_and_strength(form: str) -> None:
    fields = {"prompt": "a fox", "mode": "image-to-image", "strength": "0.5", "image": picture(64, 100, form)}

    assert parsed("sd3", fields).model == "sd3.5-large"
    assert parsed("ultra", {**fields, "image": picture(64, 100, form), "mode": None}).model == "ultra"


@pytest.mark.parametrize(
    ("endpoint", "fields", "expected"),
    [
        ("sd3", {"mode": "image-to-image"}, ["image: is required", "strength: is required"]),
        ("ultra", {"image": picture(64, 64)}, ["strength: is required"]),
        ("sd3", {"image": picture(64, 64)}, ["image: is only allowed when mode is image-to-image"]),
        (
            "sd3",
            {"image": picture(64, 64), "mode": "image-to-image", "strength": "0", "aspect_ratio": "1:1"},
            ["aspect_ratio: is only allowed when mode is text-to-image"],
        ),
        (
            "ultra",
            {"image": picture(63, 64), "strength": "1"},
            ["image: width and height must be between 64 and 16384 pixels"],
        ),
        (
            "ultra",
            {"image": picture(64, 64, "gif"), "strength": "1"},
            ["image: must be a jpeg, png or webp image"],
        ),
        ("ultra", {"image": "words", "strength": "1"}, ["image: must be a jpeg, png or webp image"]),
    ],
)
def test_an_image_that_does_not_fit_is_refused(endpoint: str, fields: dict[str, Any], expected: list[str]) -> None:
    assert errors(endpoint, {"prompt": "a fox", **fields}) == expected
