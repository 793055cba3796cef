"""Cuts Midjourney's grid of two by two pictures into its four."""

from io import BytesIO

from PIL import Image

from workers.pictures import FORMATS, MOST_PIXELS
from workers.providers.errors import OutcomeUnknown


def quadrants(grid: bytes, n: int) -> list[bytes]:
    """The first n of the four, as PNGs, row by row. Raises OutcomeUnknown where the bytes are no whole picture."""
    try:
        with Image.open(BytesIO(grid), formats=FORMATS) as picture:
            picture.verify()  # a PNG's checksums and end, which decoding does not look at
        with Image.open(BytesIO(grid), formats=FORMATS) as picture:
            width, height = picture.width // 2, picture.height // 2
            if not width or not height or picture.width * picture.height > MOST_PIXELS:
                raise OutcomeUnknown(f"no grid: {picture.width}x{picture.height} pixels")
            corners = [(0, 0), (width, 0), (0, height), (width, height)]
            return [_png(picture.crop((x, y, x + width, y + height))) for x, y in corners[:n]]
    except (OSError, ValueError, SyntaxError) as error:
        raise OutcomeUnknown(f"no grid: {error}") from error


def _png(picture: Image.Image) -> bytes:
    file = BytesIO()
    (picture.convert("RGB") if picture.mode == "CMYK" else picture).save(file, "PNG")
    return file.getvalue()
