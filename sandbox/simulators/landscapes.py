"""Composes the landscapes of the simulators' pictures: sky, sun, and hills or a sea."""

import math
import random
from dataclasses import dataclass

from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
Points = list[tuple[float, float]]

SCENE_EDGE = 1024  # larger scenes are drawn at this size and enlarged: they are soft enough
STROKE = 640  # the edge of a scene in which a stroke of 1 is one pixel wide
SEASIDE = 0.4  # the share of landscapes that lie at the sea
STARLIGHT = 180  # a zenith darker than this (red + green + blue) shows stars


@dataclass(frozen=True)
class Palette:
    zenith: Colour
    sky: Colour
    horizon: Colour
    sun: Colour
    far: Colour
    near: Colour


PALETTES = (
    Palette((38, 52, 108), (214, 106, 122), (255, 196, 138), (255, 240, 205), (170, 96, 128), (36, 24, 56)),
    Palette((24, 78, 119), (82, 162, 188), (247, 222, 178), (255, 248, 226), (98, 148, 158), (14, 44, 58)),
    Palette((13, 16, 44), (45, 48, 110), (128, 96, 160), (240, 236, 255), (70, 66, 128), (10, 12, 32)),
    Palette((250, 176, 120), (252, 208, 158), (255, 238, 206), (255, 255, 244), (222, 146, 110), (88, 40, 44)),
    Palette((120, 174, 200), (176, 212, 214), (240, 236, 214), (255, 250, 228), (122, 164, 150), (26, 58, 54)),
    Palette((70, 30, 86), (188, 62, 110), (255, 150, 110), (255, 222, 160), (140, 50, 104), (38, 12, 48)),
    Palette((8, 42, 58), (22, 102, 108), (128, 206, 172), (238, 255, 226), (40, 118, 118), (4, 28, 38)),
    Palette((196, 150, 190), (236, 186, 196), (255, 226, 208), (255, 250, 240), (176, 130, 170), (62, 40, 78)),
    Palette((46, 60, 84), (124, 142, 164), (220, 214, 204), (255, 246, 224), (112, 124, 140), (26, 32, 44)),
    Palette((222, 132, 60), (244, 178, 84), (255, 226, 150), (255, 252, 222), (190, 104, 56), (66, 28, 22)),
)


SUNSETS, NIGHTS = (PALETTES[0], PALETTES[5], PALETTES[9], PALETTES[3]), (PALETTES[2], PALETTES[6])
MOODS = {"sunset": SUNSETS, "sunrise": SUNSETS, "dusk": SUNSETS, "night": NIGHTS, "moon": NIGHTS, "stars": NIGHTS}
SEA_WORDS = {"sea", "ocean", "beach", "lake", "coast", "island", "harbour", "ship", "boat"}
LAND_WORDS = {"mountain", "mountains", "hill", "hills", "forest", "desert", "valley", "field"}


def palette_for(words: list[str], number: int) -> Palette:
    """Choose by number among the palettes of the words' mood."""
    fitting = next((MOODS[word] for word in words if word in MOODS), PALETTES)
    return fitting[number % len(fitting)]


def compose(size: tuple[int, int], words: list[str], palette: Palette, dice: random.Random) -> Image.Image:
    """Throw the dice for a landscape of this size in pixels, where the words leave it open."""
    scale = min(1.0, SCENE_EDGE / max(size))
    scene = _sky((max(8, round(size[0] * scale)), max(8, round(size[1] * scale))), palette, dice)
    sun_x = dice.uniform(0.18, 0.82) * scene.width
    _sun(scene, (sun_x, dice.uniform(0.2, 0.46) * scene.height), palette, dice)
    if _is_seaside(words, dice):
        _sea(scene, sun_x, palette, dice)
    else:
        _hills(scene, palette, dice)
    return scene.resize(size, Image.Resampling.BICUBIC)


def _is_seaside(words: list[str], dice: random.Random) -> bool:
    if LAND_WORDS.intersection(words):
        return False
    return bool(SEA_WORDS.intersection(words)) or dice.random() < SEASIDE


def _sky(size: tuple[int, int], palette: Palette, dice: random.Random) -> Image.Image:
    sky = _gradient(size, (palette.zenith, palette.sky, palette.horizon))
    if sum(palette.zenith) < STARLIGHT:
        _stars(sky, dice)
    return sky


def _gradient(size: tuple[int, int], stops: tuple[Colour, ...]) -> Image.Image:
    column = Image.new("RGB", (1, len(stops)))
    column.putdata(stops)
    tall = column.resize((1, size[1]), Image.Resampling.BICUBIC)
    return tall.resize(size, Image.Resampling.NEAREST)


def _mixed(one: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def _stars(image: Image.Image, dice: random.Random) -> None:
    pen = ImageDraw.Draw(image, "RGBA")
    width, height = image.size
    for _ in range(90):
        x, y = dice.uniform(0, width), height * 0.6 * dice.random() ** 1.4
        radius = dice.uniform(0.3, 1.1) * max(image.size) / STROKE
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), (255, 255, 255, dice.randint(60, 210)))


def _sun(image: Image.Image, at: tuple[float, float], palette: Palette, dice: random.Random) -> None:
    radius = dice.uniform(0.05, 0.11) * min(image.size)
    halo = Image.radial_gradient("L").point([round(max(0.0, 1 - v / 181) ** 2.2 * 135) for v in range(256)])
    disc = Image.new("L", (256, 256))
    ImageDraw.Draw(disc).ellipse((4, 4, 252, 252), 255)
    for mask, reach in ((halo, 9.0), (halo, 3.2), (disc, 1.0)):
        edge = max(2, round(radius * reach * 2))
        corner = (round(at[0] - edge / 2), round(at[1] - edge / 2))
        image.paste(palette.sun, corner, mask.resize((edge, edge), Image.Resampling.BICUBIC))


def _hills(image: Image.Image, palette: Palette, dice: random.Random) -> None:
    layers = dice.randint(4, 6)
    roughness = dice.uniform(0.4, 1.3)
    for layer in range(layers):
        depth = layer / (layers - 1)
        colour = _mixed(palette.far, palette.near, depth**0.8)
        mist = _mixed(palette.horizon, colour, 0.25 + 0.75 * depth)
        level = 0.5 + 0.3 * depth
        ridge = _ridge(image.size, level, 0.11 * roughness * (1 - 0.55 * depth), dice)
        _lay(image, ridge, (colour, mist if depth < 1 else colour))


def _ridge(size: tuple[int, int], level: float, swing: float, dice: random.Random) -> Points:
    width, height = size
    waves = [(swing / k**1.1, k * dice.uniform(0.7, 1.5), dice.uniform(0, math.tau)) for k in (1, 2, 4, 9, 19)]
    return [
        (x, height * (level + sum(a * math.sin(f * x / width * 3.3 + p) for a, f, p in waves) * 0.7))
        for x in range(-4, width + 8, 4)
    ]


def _lay(image: Image.Image, ridge: Points, colours: tuple[Colour, Colour]) -> None:
    width, height = image.size
    crest = max(0, math.floor(min(y for _, y in ridge)))
    if crest >= height:
        return
    mask = Image.new("L", (width * 2, (height - crest) * 2))  # twice the size: smooth edges
    outline = [(x * 2, (y - crest) * 2) for x, y in ridge]
    ImageDraw.Draw(mask).polygon([*outline, (width * 2 + 16, height * 2), (-16, height * 2)], 255)
    body = _gradient((width, height - crest), colours)
    image.paste(body, (0, crest), mask.resize(body.size, Image.Resampling.BOX))


def _sea(image: Image.Image, sun_x: float, palette: Palette, dice: random.Random) -> None:
    width, height = image.size
    horizon = round(height * dice.uniform(0.54, 0.6))
    islands = _ridge(image.size, horizon / height - 0.02, 0.05, dice)
    _lay(image, islands, (palette.far, _mixed(palette.far, palette.horizon, 0.5)))
    water = _gradient((width, height - horizon), (_mixed(palette.horizon, palette.far, 0.35), palette.near))
    image.paste(water, (0, horizon))
    _glitter(image, (sun_x, horizon), palette.sun, dice)
    _lay(image, _ridge(image.size, 0.84, 0.05, dice), (palette.near, palette.near))


def _glitter(image: Image.Image, at: tuple[float, float], colour: Colour, dice: random.Random) -> None:
    """Draw the sun's path on the water, in strips that widen and fade towards us."""
    pen = ImageDraw.Draw(image, "RGBA")
    width, height = image.size
    for depth in (step / 34 for step in range(34)):
        x = at[0] + width * 0.02 * dice.uniform(-1, 1) * (1 + 3 * depth)
        y = at[1] + 2 + (height - at[1]) * 0.62 * depth**1.3
        half = width * (0.012 + 0.09 * depth) * dice.uniform(0.3, 1.2)
        thick = (0.6 + 2.2 * depth) * height / STROKE
        pen.ellipse((x - half, y - thick, x + half, y + thick), (*colour, round(190 * (1 - 0.75 * depth))))
