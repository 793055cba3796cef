"""Pictures of a given weight: smooth, with as much grain below as it takes, since PNG cannot press grain."""

from io import BytesIO

from PIL import Image

PIXELS = (1024, 1024)
SMALL, LARGE = 20, 1500
KILOBYTES = (SMALL, LARGE)
_GRAIN = 6.0  # of 255; over the whole picture it makes 1.8 MB


def draw(kilobytes: int) -> bytes:
    """A PNG of that many thousand bytes, within a tenth."""
    fewest, most = 0, PIXELS[1]
    while fewest <= most:
        rows = (fewest + most) // 2
        png = _with_grain(rows)
        if abs(len(png) / 1000 - kilobytes) < kilobytes / 10:
            return png
        fewest, most = (rows + 1, most) if len(png) < kilobytes * 1000 else (fewest, rows - 1)
    raise AssertionError(f"no picture of {kilobytes} kB with so little or so much grain")


def _with_grain(rows: int) -> bytes:
    picture = Image.merge("RGB", [Image.linear_gradient("L").resize(PIXELS)] * 3)
    grain = [Image.effect_noise((PIXELS[0], rows), _GRAIN) for _ in picture.getbands()]
    if rows:
        picture.paste(Image.merge("RGB", grain), (0, PIXELS[1] - rows))
    file = BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()
