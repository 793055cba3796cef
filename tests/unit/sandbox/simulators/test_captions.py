import pytest
from PIL import Image

from sandbox.simulators.captions import INK, write_caption


def ink(prompt: str) -> int:
    """Count the pixels of the caption's colour on a black ground."""
    image = Image.new("RGB", (512, 512))
    write_caption(image, prompt, (0, 0, 0))
    return image.tobytes().count(bytes(INK))


def test_more_words_leave_more_ink() -> None:
    one, two = ink("fox"), ink("fox and hound")

    assert 0 < one < two


def test_accents_are_folded_to_letters_that_the_font_has() -> None:
    assert ink("Ölgemälde") == ink("Olgemalde")


@pytest.mark.parametrize("prompt", ["", "   ", "日本語", "\u0000"])
def test_a_prompt_without_printable_words_still_gets_a_caption(prompt: str) -> None:
    assert ink(prompt) == ink("untitled")


def test_words_wider_than_the_picture_are_cut_into_lines() -> None:
    image = Image.new("RGB", (256, 256))

    write_caption(image, "w" * 400, (0, 0, 0))

    edges = [image.crop((x, 0, x + 2, 256)).tobytes() for x in (0, 254)]
    assert not any(bytes(INK) in edge for edge in edges)
