"""Says what each of the BFL simulator's models takes and costs; pydantic's words are the ones BFL answers with."""

import json
import math
from typing import Annotated, Any, Literal, NamedTuple, Self

from flask import Request
from pydantic import AfterValidator, BaseModel, Field, HttpUrl, ValidationError, model_validator

from sandbox.simulators.bfl_errors import ApiError
from sandbox.simulators.pictures import Format

WIDEST = 21 / 9
ULTRA_EDGE = 2048
ULTRA_STEP = 64  # 16:9 is 2752x1536, 21:9 is 3136x1344
FLUX_2_MOST_PIXELS = 4 * 1024 * 1024
FLUX_2_LEAST, FLUX_2_STEP, FLUX_2_AUTO = 64, 16, 1024


class FluxRequest(BaseModel):
    prompt: str | None = ""
    seed: int | None = None
    safety_tolerance: int = Field(2, ge=0, le=6)
    output_format: Format | None = "jpeg"
    webhook_url: Annotated[HttpUrl, Field(max_length=2083)] | None = None
    webhook_secret: str | None = None

    @property
    def pixels(self) -> tuple[int, int]:
        raise NotImplementedError


class Flux1Request(FluxRequest):
    width: int = Field(1024, ge=256, le=1440, multiple_of=32)
    height: int = Field(768, ge=256, le=1440, multiple_of=32)
    prompt_upsampling: bool = False
    image_prompt: str | None = None

    @property
    def pixels(self) -> tuple[int, int]:
        return self.width, self.height


class FluxDevRequest(Flux1Request):
    steps: int | None = Field(28, ge=1, le=50)
    guidance: float | None = Field(3, ge=1.5, le=5)


def _ratio(text: str) -> str:
    width, _, height = text.partition(":")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise ValueError("aspect_ratio must be given as width:height")
    if not 1 / WIDEST <= int(width) / int(height) <= WIDEST:
        raise ValueError("aspect_ratio must be between 21:9 and 9:21")
    return text


class UltraRequest(FluxRequest):
    aspect_ratio: Annotated[str, AfterValidator(_ratio)] = "16:9"
    raw: bool = False
    prompt_upsampling: bool = False
    image_prompt: str | None = None
    image_prompt_strength: float = Field(0.1, ge=0, le=1)

    @property
    def pixels(self) -> tuple[int, int]:
        width, height = map(int, self.aspect_ratio.split(":"))
        stretch = math.sqrt(width / height)
        return _edge(ULTRA_EDGE * stretch), _edge(ULTRA_EDGE / stretch)


def _edge(pixels: float) -> int:
    return round(pixels / ULTRA_STEP) * ULTRA_STEP


def _flux_2_edge(edge: int) -> int:
    if edge and (edge < FLUX_2_LEAST or edge % FLUX_2_STEP):
        raise ValueError(f"must be at least {FLUX_2_LEAST} and a multiple of {FLUX_2_STEP}, or 0")
    return edge


Flux2Edge = Annotated[int, AfterValidator(_flux_2_edge)]


class Flux2Request(FluxRequest):
    prompt: str
    width: Flux2Edge = 0
    height: Flux2Edge = 0
    safety_tolerance: int = Field(2, ge=0, le=5)

    @model_validator(mode="after")
    def _is_small_enough(self) -> Self:
        width, height = self.pixels
        if width * height > FLUX_2_MOST_PIXELS:
            raise ValueError("the output must not exceed 4 megapixels")
        return self

    @property
    def pixels(self) -> tuple[int, int]:
        return self.width or FLUX_2_AUTO, self.height or FLUX_2_AUTO


class FlexRequest(Flux2Request):
    prompt_upsampling: bool = True
    steps: int = Field(50, ge=1, le=50)
    guidance: float = Field(5, ge=1.5, le=10)


class Model(NamedTuple):
    """Prices in credits, a cent each: of a picture, and of each further million pixels."""

    request: type[FluxRequest]
    credits: float
    per_megapixel: float = 0
    era: Literal[1, 2] = 1


MODELS = {
    "flux-pro-1.1": Model(Flux1Request, 4),
    "flux-pro-1.1-ultra": Model(UltraRequest, 6),
    "flux-dev": Model(FluxDevRequest, 2.5),
    "flux-2-pro": Model(Flux2Request, 3, 1.5, era=2),
    "flux-2-max": Model(Flux2Request, 7, 3, era=2),
    "flux-2-flex": Model(FlexRequest, 5, 5, era=2),
    "flux-2-klein-9b": Model(Flux2Request, 1.5, era=2),
    "flux-2-klein-4b": Model(Flux2Request, 1.4, era=2),
}


def parse(request: Request, model: Model) -> FluxRequest:
    """Raise ApiError with all rules that are broken."""
    try:
        return model.request.model_validate(_read(request.get_data()))
    except ValidationError as problem:
        raise ApiError(422, [_fault(error) for error in problem.errors(include_url=False)]) from None


def _read(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as problem:
        place, why = getattr(problem, "pos", 0), getattr(problem, "msg", "unreadable")
        fault = {"type": "json_invalid", "loc": ["body", place], "msg": "JSON decode error", "input": {}}
        raise ApiError(422, [{**fault, "ctx": {"error": why}}]) from None


def cost(model: Model, pixels: tuple[int, int]) -> float:
    further = max(0, math.ceil(megapixels(pixels)) - 1)
    return model.credits + model.per_megapixel * further


def megapixels(pixels: tuple[int, int]) -> float:
    return round(pixels[0] * pixels[1] / 1024**2, 2)


def _fault(error: Any) -> dict[str, Any]:
    """One of pydantic's errors, as FastAPI writes it: an exception within it becomes an empty object."""
    context = {name: {} if isinstance(value, Exception) else value for name, value in error.get("ctx", {}).items()}
    place = ["body", *error["loc"]]
    fault = {"type": error["type"], "loc": place, "msg": error["msg"], "input": error["input"]}
    return {**fault, "ctx": context} if context else fault
