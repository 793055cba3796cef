"""Sets a prompt's words, readably, at the foot of its picture."""

import unicodedata
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

INK = (250, 244, 232)
LEADING = 1.25
LONGEST = 420  # characters; more could not be read anyway
FOOT = 0.79  # where the caption's shade begins, as a share of the height
TYPE_SIZES = (0.34, 0.27, 0.22, 0.17, 0.13, 0.1)  # as shares of the room's height


def write_caption(image: Image.Image, prompt: str, shade: tuple[int, int, int]) -> None:
    width, height = image.size
    top = int(height * FOOT)
    room = height - top
    _darken(image, top, shade)
    lines, font = _set_in_type(_printable(prompt), width * 0.88, room * 0.76)
    pen = ImageDraw.Draw(image)
    middle = top + room * 0.56
    for number, line in enumerate(lines):
        y = middle + (number - (len(lines) - 1) / 2) * font.size * LEADING
        pen.text((width / 2, y), line, INK, font=font, anchor="mm")


def _darken(image: Image.Image, top: int, shade: tuple[int, int, int]) -> None:
    red, green, blue = (round(part * 0.65) for part in shade)
    band = Image.linear_gradient("L").point([round(min(1.0, value / 90) ** 2 * 235) for value in range(256)])
    image.paste((red, green, blue), (0, top), band.resize((image.width, image.height - top)))


def _printable(prompt: str) -> str:
    """Pillow's own font knows ASCII only: ö becomes o, and what has no such form is left out."""
    plain = unicodedata.normalize("NFKD", prompt[:LONGEST]).encode("ascii", "ignore").decode()
    return " ".join("".join(sign if sign.isprintable() else " " for sign in plain).split()) or "untitled"


def _set_in_type(words: str, width: float, height: float) -> tuple[list[str], ImageFont.FreeTypeFont]:
    """Break the words at the largest size that fits; what never fits ends in dots."""
    for share in TYPE_SIZES:
        font = _font(max(6, round(height * share)))
        rows = max(1, int(height // (font.size * LEADING)))
        smallest = share == TYPE_SIZES[-1]
        if not smallest and font.getlength(words) > width * rows:
            continue
        lines = _broken(words, font, width)
        if len(lines) <= rows:
            return lines, font
    return [*lines[: rows - 1], lines[rows - 1].rstrip(" ,.") + " ..."], font


@lru_cache(maxsize=32)
def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font


def _broken(words: str, font: ImageFont.FreeTypeFont, width: float) -> list[str]:
    lines: list[str] = []
    line = ""
    for word in _pieces(words, font, width):
        longer = f"{line} {word}".strip()
        if line and font.getlength(longer) > width:
            lines.append(line)
            longer = word
        line = longer
    return [*lines, line]


def _pieces(words: str, font: ImageFont.FreeTypeFont, width: float) -> list[str]:
    """Cut what is wider than a whole line, such as an address."""
    longest = max(1, int(width // font.getlength("M")))
    pieces: list[str] = []
    for word in words.split():
        if font.getlength(word) <= width:
            pieces.append(word)
        else:
            pieces += [word[start : start + longest] for start in range(0, len(word), longest)]
    return pieces
