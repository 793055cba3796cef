import struct
import zlib
from io import BytesIO

import pytest
from PIL import Image

from workers.pictures import MOST_PIXELS
from workers.providers.errors import OutcomeUnknown
from workers.providers.midjourney_grid import quadrants

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def grid(mode: str = "RGB", file_format: str = "PNG", size: tuple[int, int] = (2, 2)) -> bytes:
    picture = Image.new("RGB", (2, 2))
    for corner, colour in zip([(0, 0), (1, 0), (0, 1), (1, 1)], [RED, GREEN, BLUE, WHITE], strict=True):
        picture.putpixel(corner, colour)
    file = BytesIO()
    picture.resize(size, Image.Resampling.NEAREST).convert(mode).save(file, file_format)
    return file.getvalue()


def opened(png: bytes) -> Image.Image:
    with Image.open(BytesIO(png), formats=["PNG"]) as picture:
        picture.load()
        return picture


def png_that_declares(width: int, height: int) -> bytes:
    """A few bytes that promise a picture of that size."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


def test_the_four_come_row_by_row() -> None:
    pictures = [opened(png) for png in quadrants(grid(size=(64, 32)), 4)]

    assert [picture.size for picture in pictures] == [(32, 16)] * 4
    assert [picture.getcolors() for picture in pictures] == [[(512, each)] for each in (RED, GREEN, BLUE, WHITE)]


@pytest.mark.parametrize("n", [1, 2, 3])
def test_only_the_first_are_cut(n: int) -> None:
    assert quadrants(grid(), n) == quadrants(grid(), 4)[:n]


@pytest.mark.parametrize(("mode", "file_format"), [("RGB", "WEBP"), ("CMYK", "JPEG"), ("P", "PNG"), ("L", "PNG")])
def test_a_grid_of_any_format_is_cut_into_pngs(mode: str, file_format: str) -> None:
    pictures = quadrants(grid(mode, file_format, size=(64, 64)), 4)

    assert [opened(png).size for png in pictures] == [(32, 32)] * 4


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html></html>",
        grid(size=(64, 64))[:-20],
        grid("L", size=(1, 1)),
        png_that_declares(MOST_PIXELS, 2),
        png_that_declares(64, 64),
    ],
)
def test_what_is_no_whole_grid_is_unknown(data: bytes) -> None:
    with pytest.raises(OutcomeUnknown):
        quadrants(data, 4)
