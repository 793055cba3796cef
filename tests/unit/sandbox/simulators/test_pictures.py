import io

import pytest
from PIL import Image

from sandbox.simulators.pictures import Format, Picture, draw


def opened(picture: Picture) -> Image.Image:
    image = Image.open(io.BytesIO(draw(picture)))
    image.load()
    return image


@pytest.mark.parametrize("size", [(1024, 1024), (1792, 1024), (1024, 1792), (256, 256), (16, 48), (1, 1)])
def test_a_picture_has_exactly_the_size_asked(size: tuple[int, int]) -> None:
    picture = Picture("a red fox", 0, *size)

    image = opened(picture)

    assert image.size == size


@pytest.mark.parametrize("form", ["png", "jpeg", "webp"])
def test_a_picture_has_the_format_asked(form: Format) -> None:
    picture = Picture("a red fox", 0, 64, 64, format=form)

    image = opened(picture)

    assert image.format == form.upper()


def test_one_prompt_is_always_the_same_picture() -> None:
    picture = Picture("a red fox", 1, 128, 128)

    first = draw(picture)
    draw.cache_clear()

    assert draw(picture) == first


def test_prompts_and_indexes_give_different_pictures() -> None:
    prompts = ["a red fox", "a red fix", "a lake at sunset", "日本語", "", "\ud800"]

    bodies = {draw(Picture(prompt, index, 64, 64)) for prompt in prompts for index in range(10)}

    assert len(bodies) == 60


def test_pictures_of_one_prompt_differ_visibly() -> None:
    tiles = [opened(Picture("mountains at night", index, 64, 64)).resize((4, 4)) for index in range(10)]

    shades = {tile.tobytes() for tile in tiles}

    assert len(shades) == 10


def test_a_transparent_picture_has_clear_corners_and_a_solid_middle() -> None:
    picture = Picture("a glass fox", 0, 128, 128, transparent=True)

    alpha = opened(picture).getchannel("A")

    assert (alpha.getpixel((0, 0)), alpha.getpixel((64, 64))) == (0, 255)


def test_the_longest_prompt_fits_the_picture() -> None:
    picture = Picture("incomprehensibilities " * 1450, 0, 256, 256)

    image = opened(picture)

    assert image.size == (256, 256)
    assert len(draw(picture)) < 100_000
