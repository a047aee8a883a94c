"""Sizes that can be painted: the advice for one that cannot must work."""

import re

import pytest

from majolica.config.model import ModelConfig
from majolica.config.picture_size import LARGEST, PictureSize, enlargement_of, size_around, size_of, sizes
from majolica.errors import UserError

MODEL = ModelConfig(resolution=256, patch=16)


@pytest.mark.parametrize("base", [1, 16, 48, 256, 5000])
def test_advice_on_a_size_is_followed_once(base: int) -> None:
    """4144 -> 4128 -> 4096 -> 4080 took three tries with a base of 48."""
    for size in (-5, 0, 1, base - 1, base + 1, 50, 4080, 4095, 4097, 4128, 4144, 10**9):
        try:
            assert enlargement_of(size, base) * base == size
        except UserError as error:
            words = str(error).replace(":", "").split()
            advised = int(words[words.index("use") + 1].strip(",") if "use" in words else words[words.index("is") + 3])
            assert enlargement_of(advised, base) * base == advised


@pytest.mark.parametrize(
    ("width", "height", "scale"), [(640, 384, 2), (320, 192, 1), (144, 432, 1), (1024, 1024, 4), (1280, 768, 4)]
)
def test_a_size_has_about_as_many_tokens_as_the_square(width: int, height: int, scale: int) -> None:
    assert size_of(width, height, MODEL) == PictureSize(height, width, scale)


def test_every_size_lies_in_the_range_and_is_read_back() -> None:
    found = list(sizes(MODEL))
    for size in found[:: len(found) // 100]:
        height, width = size.base
        assert height % 16 == width % 16 == 0 and size.longest <= LARGEST
        assert 1 / 3 <= height / width <= 3 and 0.8 <= height * width / 256**2 <= 1.25
        assert size_of(size.width, size.height, MODEL) == size
    bases = {size.height / size.width: size.base for size in found}
    assert all(bases[size.height / size.width] == size.base for size in found), "proportions have one base picture"


@pytest.mark.parametrize(
    ("width", "height", "words"),
    [
        (650, 390, "cannot be painted"),
        (640, 390, "cannot be painted"),
        (64, 32, "cannot be painted"),
        (1000, 200, "longer than 3:1"),
        (200, 1000, "longer than 3:1"),
        (9000, 5000, "too large"),
        (16, 17, "cannot be painted"),
    ],
)
def test_a_size_that_cannot_be_painted_comes_with_one_that_can(width: int, height: int, words: str) -> None:
    with pytest.raises(UserError, match=words) as raised:
        size_of(width, height, MODEL)
    advised = re.findall(r"(\d+)(?:x(\d+))?, say", str(raised.value))[-1]
    near = size_of(int(advised[0]), int(advised[1] or advised[0]), MODEL)
    assert near.square or (near.width > near.height) == (width > height)


def test_sides_must_be_positive() -> None:
    with pytest.raises(UserError, match="0x5 has no pixels"):
        size_of(0, 5, MODEL)


@pytest.mark.parametrize(
    ("asked", "around"),
    [((640, 384), "640x384"), ((600, 360), "640x384"), ((300, 300), "512"), ((257, 100), "368x144"), ((7, 7), "256")],
)
def test_any_size_is_cut_from_the_smallest_around_it(asked: tuple[int, int], around: str) -> None:
    assert str(size_around(*asked, MODEL)) == around


@pytest.mark.parametrize(
    ("asked", "words"), [((0, 5), "no pixels"), ((100, 20), "longer than 3:1"), ((5000, 4000), "too large")]
)
def test_a_size_that_nothing_lies_around_is_refused(asked: tuple[int, int], words: str) -> None:
    with pytest.raises(UserError, match=f"{words}.*give|{words}.*use"):
        size_around(*asked, MODEL)
