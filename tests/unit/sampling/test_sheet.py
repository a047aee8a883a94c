"""Pictures and their prompts on one sheet."""

from __future__ import annotations

import pytest
import torch
from PIL import ImageFont

from majolica.sampling.sheet import GAP, LETTERS, LINES, captioned_sheet, wrap_text

FONT = ImageFont.load_default(LETTERS)


def test_every_picture_stands_over_its_prompt() -> None:
    images = torch.zeros(3, 3, 16, 16, dtype=torch.uint8)
    images[1, 0] = 255  # the second is red
    sheet = captioned_sheet(images, ["a fox", "a red square", "an owl"], columns=2)
    assert sheet.width == 2 * 128 + 3 * GAP  # shown eight times as large
    assert sheet.getpixel((GAP + 5, GAP + 5)) == (0, 0, 0)
    assert sheet.getpixel((GAP + 128 + GAP + 5, GAP + 5)) == (255, 0, 0)
    under = sheet.crop((0, GAP + 128, sheet.width, GAP + 128 + LETTERS + 3))
    left, right = (under.crop((x, 0, x + 128, under.height)).getextrema() for x in (GAP, GAP + 128 + GAP))
    assert left[0][0] < 128 and right[0][0] < 128  # something dark is written under each


def test_another_prompt_is_another_sheet() -> None:
    images = torch.full((1, 3, 64, 64), 200, dtype=torch.uint8)
    one, other = (captioned_sheet(images, [prompt]) for prompt in ("a fox", "an owl"))
    assert one.size == other.size and one.tobytes() != other.tobytes()


def test_letters_beyond_ascii_are_letters() -> None:
    """A font that lacks them draws one and the same empty box for each."""
    pytest.importorskip("matplotlib")
    image = torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
    assert len({captioned_sheet(image, [letter]).tobytes() for letter in "éüßñЖλ"}) == 6


def test_prompts_are_broken_between_words_and_long_ones_end_in_dots() -> None:
    words = "a hamburger and two dolphins on a dark green background"
    lines = wrap_text(words, FONT, 128)
    assert " ".join(lines) == words and len(lines) > 1
    assert all(FONT.getlength(line) <= 128 for line in lines)
    endless = wrap_text("word " * 400, FONT, 128)
    assert len(endless) == LINES and endless[-1].endswith("...")
    assert all(FONT.getlength(line) <= 128 for line in wrap_text("x" * 300, FONT, 128))
    assert wrap_text("\n", FONT, 128) == [""]
