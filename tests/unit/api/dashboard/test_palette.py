"""What is written can be read: the contrast of every colour of words on every ground (WCAG 2.2, AA)."""

import re
from itertools import product
from pathlib import Path

import pytest

STYLE = Path(__file__).resolve().parents[4] / "api" / "static" / "ops" / "ops.css"
GROUNDS = ("paper", "sheet", "inset")
WORDS = (
    *("ink", "soft", "queued", "dispatched", "running", "completed", "failed", "refused", "cancelled", "warn"),
)
# Edges of fields, rings of focus and lines of charts are seen, not read.
MARKS = ("edge", "focus", "one", "two", "three", "four", "five", "six", "wait", "store")


def palette(theme: int) -> dict[str, str]:
    found = re.findall(r"--([\w-]+): light-dark\(#(\w+), #(\w+)\)", STYLE.read_text())
    return {name: shades[theme] for name, *shades in found}


def luminance(shade: str) -> float:
    channels = [int(shade[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("names", "least"), [(WORDS, 4.5), (MARKS, 3.0)], ids=["words", "marks"])
def test_every_colour_stands_out_from_every_ground(theme: int, names: tuple[str, ...], least: float) -> None:
    shades = palette(theme)

    faint = [
        (name, ground)
        for name, ground in product(names, GROUNDS)
        if contrast(shades[name], shades[ground]) < least
    ]

    assert faint == []
