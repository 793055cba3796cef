import struct
import zlib
from io import BytesIO

import pytest
from PIL import Image

from core.generation import Size
from workers.pictures import MOST_PIXELS, NotAPicture, develop

SIZE = Size(64, 64)
RED, BLUE = (255, 0, 0), (0, 0, 255)


def drawn(mode: str = "RGB", size: tuple[int, int] = SIZE) -> Image.Image:
    return Image.effect_noise(size, 50).convert(mode)


def encoded(picture: Image.Image, file_format: str = "PNG", **options: object) -> bytes:
    file = BytesIO()
    picture.save(file, file_format, **options)
    return file.getvalue()


def decoded(png: bytes) -> Image.Image:
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


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_a_png_of_the_right_size_is_kept_byte_by_byte(mode: str) -> None:
    png = encoded(drawn(mode))

    assert develop(png, SIZE) is png


@pytest.mark.parametrize("file_format", ["JPEG", "WEBP"])
def test_another_format_becomes_a_png_of_the_same_pixels(file_format: str) -> None:
    data = encoded(drawn(), file_format)

    picture = decoded(develop(data, SIZE))

    with Image.open(BytesIO(data)) as original:
        assert picture.tobytes() == original.convert("RGB").tobytes()


def test_a_jpeg_for_print_becomes_a_png_for_screens() -> None:
    data = encoded(drawn("CMYK"), "JPEG")

    picture = decoded(develop(data, SIZE))

    assert (picture.mode, picture.size) == ("RGB", SIZE)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("came", [(128, 128), (200, 90), (32, 48)])
def test_every_other_size_is_brought_to_the_one_ordered(mode: str, came: tuple[int, int]) -> None:
    assert decoded(develop(encoded(drawn(mode, came)), SIZE)).size == SIZE


def test_what_is_too_wide_is_cut_from_the_middle() -> None:
    wide = Image.new("RGB", (256, 64), RED)
    wide.paste(BLUE, (96, 0, 160, 64))

    picture = decoded(develop(encoded(wide), SIZE))

    assert picture.getcolors() == [(64 * 64, BLUE)]


def test_transparency_survives_scaling() -> None:
    clear = Image.new("RGBA", (128, 128), (0, 0, 0, 0))
    palette = clear.convert("P")
    palette.info["transparency"] = palette.getpixel((0, 0))

    for picture in (clear, palette):
        small = decoded(develop(encoded(picture), SIZE)).convert("RGBA")
        assert small.getchannel("A").getextrema() == (0, 0)


@pytest.mark.parametrize("file_format", ["PNG", "WEBP"])
@pytest.mark.parametrize("size", [SIZE, Size(32, 32)])
def test_of_a_moving_picture_the_first_frame_counts(file_format: str, size: Size) -> None:
    frames = [Image.new("RGB", SIZE, colour) for colour in (BLUE, RED)]
    moving = encoded(frames[0], file_format, save_all=True, append_images=frames[1:], lossless=True)

    first = decoded(develop(moving, size))

    assert (first.size, first.convert("RGB").getpixel((9, 9))) == (size, BLUE)


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("kept", [0.01, 0.5, 0.95])
@pytest.mark.parametrize("size", [SIZE, Size(32, 32)])
def test_a_truncated_picture_is_refused(file_format: str, kept: float, size: Size) -> None:
    data = encoded(drawn(), file_format)

    with pytest.raises(NotAPicture):
        develop(data[: int(len(data) * kept)], size)


def test_a_png_that_lacks_nothing_but_its_end_is_refused() -> None:
    with pytest.raises(NotAPicture):
        develop(encoded(drawn())[:-12], SIZE)


@pytest.mark.parametrize("chunk", [b"IHDR", b"IDAT"])
def test_a_wrong_checksum_is_refused(chunk: bytes) -> None:
    damaged = bytearray(encoded(drawn()))
    start = damaged.index(chunk)
    (length,) = struct.unpack_from(">I", damaged, start - 4)
    damaged[start + 4 + length] ^= 1

    with pytest.raises(NotAPicture):
        develop(bytes(damaged), SIZE)


@pytest.mark.parametrize(
    "data", [b"", b"\x89PNG\r\n\x1a\n", b"<html>502 Bad Gateway</html>", bytes(range(256)) * 9]
)
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(NotAPicture):
        develop(data, SIZE)


@pytest.mark.parametrize("file_format", ["GIF", "TIFF", "BMP", "ICO", "PPM"])
def test_formats_that_no_provider_sends_are_refused(file_format: str) -> None:
    with pytest.raises(NotAPicture):
        develop(encoded(drawn("L"), file_format), SIZE)


def test_a_drawing_is_refused_since_it_may_hold_scripts() -> None:
    with pytest.raises(NotAPicture):
        develop(b'<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"/>', SIZE)


@pytest.mark.parametrize(
    "declared", [(MOST_PIXELS // 8000 + 1, 8000), (10_000, 9_500), (100_000, 100_000), (2**31 - 1, 2**31 - 1)]
)
def test_a_bomb_is_refused_before_it_is_unpacked(declared: tuple[int, int]) -> None:
    bomb = png_that_declares(*declared)

    for data in (bomb, bomb[:60]):
        with pytest.raises(NotAPicture):
            develop(data, SIZE)
