"""Reads a generation request as OpenAI does: the same rules, in the same order, with the same words."""

import json
import re
from dataclasses import dataclass
from typing import Any

from sandbox.simulators.openai_errors import USER_ERROR, ApiError, model_gone
from sandbox.simulators.openai_fields import choice, flag, integer, kind_of, string, text, whole_number
from sandbox.simulators.openai_models import DALL_E_SIZES, MODELS, ImageModel

DEFAULT_MODEL = "dall-e-2"
MOST_PICTURES = 10
LONGEST_EDGE = 3840
MOST_PIXELS = 3840 * 2160
SQUARE_BY_DEFAULT = "1024x1024"
AUTO_SIZE = "1254x1254"  # what gpt-image-2 was recorded to choose, though it takes no such size
FORMATS = ("png", "jpeg", "webp")


@dataclass(frozen=True)
class ImageRequest:
    model: ImageModel
    prompt: str
    n: int
    size: str
    quality: str
    style: str
    response_format: str
    output_format: str
    output_compression: int
    background: str
    partial_images: int
    stream: bool

    @property
    def pixels(self) -> tuple[int, int]:
        width, height = self.size.split("x")
        return int(width), int(height)


def parse(body: bytes, content_type: str) -> ImageRequest:
    """Raise ApiError for the first rule that is broken."""
    asked = _json_object(body, content_type)
    model = _model(asked)
    for name in asked:
        if name not in model.parameters:
            raise ApiError(f"Unknown parameter: '{name}'.", "unknown_parameter", name)
    prompt = _prompt(asked, model)
    n = _n(asked, model)
    request = ImageRequest(
        model=model,
        prompt=prompt,
        n=n,
        quality=choice(asked, "quality", model.qualities, "auto"),
        style=choice(asked, "style", ("vivid", "natural"), "vivid"),
        response_format=choice(asked, "response_format", ("url", "b64_json"), "url"),
        output_format=choice(asked, "output_format", FORMATS, "png"),
        background=choice(asked, "background", ("transparent", "opaque", "auto"), "auto"),
        output_compression=integer(asked, "output_compression", range(101), 100),
        partial_images=integer(asked, "partial_images", range(4), 0),
        stream=flag(asked, "stream"),
        size=_size(asked, model),
    )
    choice(asked, "moderation", ("low", "auto"), "auto")
    text(asked, "safety_identifier")
    if "user" in asked:
        string("user", asked["user"])
    _check_combinations(request)
    return request


def _json_object(body: bytes, content_type: str) -> dict[str, Any]:
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise ApiError(
            f"Unsupported content type: '{content_type}'. This API method only accepts 'application/json' "
            f"requests, but you specified the header 'Content-Type: {content_type}'. "
            "Please try again with a supported content type."
        )
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError):
        raise ApiError(
            "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your "
            "HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON. "
            "If you have trouble figuring out how to fix this, please contact us through our help center at "
            "help.openai.com.)"
        ) from None
    if not isinstance(asked, dict):
        raise ApiError(f"Invalid type: expected an object, but got {kind_of(asked)} instead.", "invalid_type")
    return asked


def _model(asked: dict[str, Any]) -> ImageModel:
    name = asked.get("model")
    if name is None:
        return MODELS[DEFAULT_MODEL]
    model = MODELS.get(string("model", name))
    if model is None:
        raise model_gone(name)
    return model


def _prompt(asked: dict[str, Any], model: ImageModel) -> str:
    if "prompt" not in asked:
        if model.is_dall_e:
            raise ApiError("You must provide a prompt.")
        raise ApiError("Missing required parameter: 'prompt'.", "missing_required_parameter", "prompt")
    prompt = string("prompt", asked["prompt"])
    if not prompt:
        raise ApiError(
            "Invalid 'prompt': empty string. Expected a string with minimum length 1, "
            "but got an empty string instead.",
            "empty_string",
            "prompt",
        )
    if len(prompt) <= model.longest_prompt:
        return prompt
    if model.id == "dall-e-2":
        raise ApiError(
            f"Prompt must be length {model.longest_prompt} or less. Your prompt length is {len(prompt)}. "
            "Please reduce your prompt length."
        )
    raise ApiError(
        f"Invalid 'prompt': string too long. Expected a string with maximum length {model.longest_prompt}, "
        f"but got a string with length {len(prompt)} instead.",
        "string_above_max_length",
        "prompt",
    )


def _n(asked: dict[str, Any], model: ImageModel) -> int:
    if not model.is_dall_e:
        return integer(asked, "n", range(1, MOST_PICTURES + 1), 1)
    n = whole_number(asked, "n", 1)
    if n > MOST_PICTURES:
        raise ApiError(f"{n} is greater than the maximum of {MOST_PICTURES} - 'n'")
    if n < 1:
        raise ApiError(f"{n} is less than the minimum of 1 - 'n'")
    if n > 1 and model.id == "dall-e-3":
        raise ApiError("You must provide n=1 for this model.")
    return n


def _size(asked: dict[str, Any], model: ImageModel) -> str:
    size = text(asked, "size") or "auto"
    if not model.is_dall_e:
        return AUTO_SIZE if size == "auto" else _free_size(size)
    if size == "auto":
        return SQUARE_BY_DEFAULT
    if size not in DALL_E_SIZES:
        raise ApiError(f"'{size}' is not one of {list(DALL_E_SIZES)} - 'size'")
    if size not in model.sizes:
        raise ApiError("The size is not supported by this model.", "invalid_size")
    return size


def _free_size(size: str) -> str:
    match = re.fullmatch(r"([1-9]\d{0,5})x([1-9]\d{0,5})", size, re.ASCII)
    if not match:
        raise _wrong_size(size, "Expected WIDTHxHEIGHT, for example '1824x1024'.")
    short, long = sorted(map(int, match.groups()))
    if short % 16 or long % 16:
        raise _wrong_size(size, "Width and height must both be divisible by 16.")
    if long > 3 * short:
        raise _wrong_size(size, "The aspect ratio must be between 1:3 and 3:1.")
    if long > LONGEST_EDGE or short * long > MOST_PIXELS:
        raise _wrong_size(size, "The maximum is 3840x2160.")
    return size


def _wrong_size(size: str, rule: str) -> ApiError:
    return ApiError(f"Invalid size '{size}'. {rule}", "invalid_value", "size", type=USER_ERROR)


def _check_combinations(request: ImageRequest) -> None:
    if request.partial_images and not request.stream:
        raise ApiError(
            "'partial_images' is only supported when 'stream' is true.",
            "unsupported_parameter",
            "partial_images",
            type=USER_ERROR,
        )
    if request.output_format == "png" and request.output_compression < 100:  # noqa: PLR2004 - the default
        raise ApiError(
            "Compression less than 100 is not supported for PNG output format.",
            "invalid_png_output_compression",
            "output_compression",
            type=USER_ERROR,
        )
    if request.output_format == "jpeg" and request.background == "transparent":
        raise ApiError(
            "Transparent background is not supported for JPEG output format.",
            "invalid_value",
            "background",
            type=USER_ERROR,
        )
