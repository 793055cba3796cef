"""What Stability's Stable Image endpoints take, make and cost, as the simulator has them."""

from dataclasses import dataclass
from math import sqrt

Pixels = tuple[int, int]

DEFAULT_MODEL = "sd3.5-large"
# Credits for a picture, at a cent each. The sd3-* names have been made by their successors since 2025-04-17.
SD3_CREDITS = {
    "sd3.5-large": 6.5,
    "sd3.5-large-turbo": 4.0,
    "sd3.5-medium": 3.5,
    "sd3.5-flash": 2.5,
    "sd3-large": 6.5,
    "sd3-large-turbo": 4.0,
    "sd3-medium": 3.5,
}
CREDITS = {**SD3_CREDITS, "core": 3.0, "ultra": 8.0}

ONE_MEGAPIXEL: dict[str, Pixels] = {
    "21:9": (1536, 640),
    "16:9": (1344, 768),
    "3:2": (1216, 832),
    "5:4": (1088, 896),
    "1:1": (1024, 1024),
    "4:5": (896, 1088),
    "2:3": (832, 1216),
    "9:16": (768, 1344),
    "9:21": (640, 1536),
}
STYLE_PRESETS = (
    "enhance",
    "anime",
    "photographic",
    "digital-art",
    "comic-book",
    "fantasy-art",
    "line-art",
    "analog-film",
    "neon-punk",
    "isometric",
    "low-poly",
    "origami",
    "modeling-compound",
    "cinematic",
    "3d-model",
    "pixel-art",
    "tile-texture",
)


@dataclass(frozen=True)
class Endpoint:
    """`models` is empty where the endpoint itself is the model; `has_mode` where an image needs a `mode`."""

    name: str
    formats: tuple[str, ...]
    megapixels: float = 1.0
    models: tuple[str, ...] = ()
    has_mode: bool = False
    takes_image: bool = False

    def pixels(self, aspect_ratio: str) -> Pixels:
        """Both sides are multiples of 64; only the sum of 1.5 megapixels is documented, not its sides."""
        width, height = ONE_MEGAPIXEL[aspect_ratio]
        factor = sqrt(self.megapixels)
        return round(width * factor / 64) * 64, round(height * factor / 64) * 64


ENDPOINTS = {
    endpoint.name: endpoint
    for endpoint in (
        Endpoint("sd3", ("png", "jpeg"), models=tuple(SD3_CREDITS), has_mode=True, takes_image=True),
        Endpoint("core", ("png", "jpeg", "webp"), megapixels=1.5),
        Endpoint("ultra", ("png", "jpeg", "webp"), takes_image=True),
    )
}
