"""PNGs whose checksums hold, and whose streams do or do not keep what the header promises."""

import struct
import zlib
from io import BytesIO

import pytest
from PIL import Image

from core.generation import Size
from workers.pictures import NotAPicture, develop
from workers.png import is_sound

SIZE = Size(8, 4)
ROW = b"\0" + bytes(SIZE.width * 3)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_of(rows: bytes, *, packed: bytes | None = None) -> bytes:
    """An 8 by 4 RGB picture of these rows; or of this stream, whatever it unpacks to."""
    header = struct.pack(">IIBBBBB", *SIZE, 8, 2, 0, 0, 0)
    stream = zlib.compress(rows) if packed is None else packed
    half = len(stream) // 2
    chunks = [(b"IHDR", header), (b"IDAT", stream[:half]), (b"IDAT", stream[half:]), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, body) for kind, body in chunks)


def saved(mode: str, **how: object) -> bytes:
    file = BytesIO()
    Image.new(mode, SIZE).save(file, "PNG", **how)
    return file.getvalue()


def test_a_whole_picture_in_two_pieces_is_sound() -> None:
    assert is_sound(png_of(ROW * 4))


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "1", "I;16"])
def test_every_depth_and_colour_is_measured_rightly(mode: str) -> None:
    assert is_sound(saved(mode))


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(png_of(ROW * 3), id="a row too few"),
        pytest.param(png_of(ROW * 5), id="a row too many"),
        pytest.param(png_of(ROW * 3 + b"\5" + ROW[1:]), id="a filter that does not exist"),
        pytest.param(png_of(b"", packed=zlib.compress(ROW * 4)[:-5]), id="a stream that breaks off"),
    ],
)
def test_a_picture_that_does_not_keep_its_promise_is_not_sound(broken: bytes) -> None:
    assert not is_sound(broken)


def test_a_stream_that_is_no_stream_is_refused() -> None:
    with pytest.raises(NotAPicture):
        develop(png_of(b"", packed=b"no stream at all"), SIZE)


def test_a_stream_that_unpacks_to_gigabytes_is_not_unpacked() -> None:
    bomb = png_of(b"", packed=zlib.compress(bytes(200_000_000), 9))

    assert not is_sound(bomb)


def test_a_palette_is_left_to_the_decoder_and_kept() -> None:
    palette = saved("P")

    assert not is_sound(palette)
    assert develop(palette, SIZE) == palette
