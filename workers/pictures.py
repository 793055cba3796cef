"""A provider's bytes become a picture that can be trusted: decoded, of the size ordered, a PNG."""

from io import BytesIO

from PIL import Image, ImageOps

from core.generation import Size
from workers import png

FORMATS = ("PNG", "JPEG", "WEBP")
# Far above any size on offer, far below what would exhaust memory when it is unpacked.
MOST_PIXELS = 64_000_000
Image.MAX_IMAGE_PIXELS = None  # Pillow's own bound, which warns long before it refuses: ours alone counts


class NotAPicture(Exception):
    """The bytes are no whole picture of a known format, or one beyond all bounds."""


def develop(data: bytes, size: Size) -> bytes:
    """Decode, and return a PNG of exactly `size`; bytes that are one already are returned as they came.

    Raises NotAPicture.
    """
    try:
        with Image.open(BytesIO(data), formats=FORMATS) as picture:
            picture.verify()  # a PNG's checksums and end, which decoding does not look at
        with Image.open(BytesIO(data), formats=FORMATS) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                raise NotAPicture(f"{picture.width}x{picture.height} pixels")
            as_ordered = picture.format == "PNG" and picture.size == size
            if as_ordered and png.is_sound(data):
                return data
            picture.load()
            return data if as_ordered else _png(picture, size)
    except (OSError, ValueError, SyntaxError, png.BROKEN) as error:
        raise NotAPicture(str(error)) from error


def _png(picture: Image.Image, size: Size) -> bytes:
    """Cut what is too wide or too high from the middle, then scale."""
    fitted = picture if picture.size == size else ImageOps.fit(picture, size)
    file = BytesIO()
    (fitted.convert("RGB") if fitted.mode == "CMYK" else fitted).save(file, "PNG")
    return file.getvalue()
