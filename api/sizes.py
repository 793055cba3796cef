"""Which size is asked for: one of the model's own, or a free one within OpenAI's rules."""

from api.wording import AUTO, OF_IMAGES, Code, not_a_member, size_of_others
from core.catalog import Catalog, Model
from core.errors import InvalidRequest
from core.generation import Size
from core.offers import SIZE

# gpt-image-2 and later (OpenAI's OpenAPI document 2.3.0).
STEP = 16
LONGEST_EDGE = 3840
MOST_PIXELS = 3840 * 2160
STEEPEST = 3


def choose(text: str | None, model: Model, catalog: Catalog) -> Size:
    """Raises InvalidRequest."""
    if text is None or text == AUTO:
        return model.default_size
    offered = {str(size): size for size in model.sizes}
    if text in offered:
        return offered[text]
    if model.free_sizes:
        return _free(text)
    if any(text == str(size) for other in catalog.models for size in other.sizes):
        raise size_of_others()
    raise not_a_member("size", text, [*offered, AUTO])


def _free(text: str) -> Size:
    if not SIZE.fullmatch(text):
        raise _not_a_size(text, "Expected WIDTHxHEIGHT, for example '1824x1024'.")
    size = Size.parse(text)
    if size.width % STEP or size.height % STEP:
        raise _not_a_size(text, "Width and height must both be divisible by 16.")
    if max(size) > STEEPEST * min(size):
        raise _not_a_size(text, "The aspect ratio must be between 1:3 and 3:1.")
    if max(size) > LONGEST_EDGE or size.width * size.height > MOST_PIXELS:
        raise _not_a_size(text, "The maximum is 3840x2160.")
    return size


def _not_a_size(text: str, rule: str) -> InvalidRequest:
    return InvalidRequest(
        f"Invalid size '{text}'. {rule}",
        code=Code.INVALID_VALUE,
        param="size",
        type=OF_IMAGES,
    )
