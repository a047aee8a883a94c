"""What is said of the data before training, and what is not worth a word."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from majolica.config.data import DataConfig
from majolica.data.drawings.phrases import WITH_BACKGROUND, WITHOUT_BACKGROUND
from majolica.data.loading.notices import ROWS, data_notices, mirrored_words
from majolica.data.store.pack import write_shards
from majolica.data.store.record import Record
from majolica.data.store.shards import ShardSet

Picture = Callable[..., bytes]
Notices = Callable[..., list[str]]
SQUARE = (32, 32)


@pytest.fixture
def notices(tmp_path: Path, picture: Picture) -> Notices:
    """The notices on a set of pictures (width, height) with these captions."""

    def say(sizes: Sequence[tuple[int, int]], captions: Sequence[str], meta: Any = None, **config: Any) -> list[str]:
        records = (
            Record(picture(i, *size), "png", text, meta or {})
            for i, (size, text) in enumerate(zip(sizes, captions, strict=True))
        )
        write_shards(tmp_path / "s", records)
        return data_notices([ShardSet(tmp_path / "s")], DataConfig(shards="s", **config), [SQUARE])

    return say


def test_much_lost_to_the_cut(notices: Notices) -> None:
    sizes = [(40, 20)] * 4 + [(20, 40)] * 2 + [(20, 20)] * 6
    (line,) = notices(sizes, ["a fox"] * 12)
    assert "50% of the pictures (6 of 12 looked at)" in line and "25% on average" in line
    assert "32 x 32" in line and "--data.fit" in line and "--data.buckets" in line


@pytest.mark.parametrize(
    ("sizes", "config"),
    [
        ([(40, 20)] * 3 + [(20, 20)] * 9, {}),  # few
        ([(21, 20)] * 12, {}),  # little
        ([(40, 20)] * 12, {"fit": "pad"}),
        ([(40, 20)] * 12, {"fit": "stretch"}),
        ([(40, 20)] * 12, {"buckets": True}),
    ],
)
def test_little_lost_is_not_said(notices: Notices, sizes: list[tuple[int, int]], config: dict[str, Any]) -> None:
    assert notices(sizes, ["a fox"] * 12, **config) == []


def test_sides_letters_and_digits(notices: Notices) -> None:
    texts = ["the number five", "a boy on the left of a very long wall that never ends", "b", *["a fox"] * 7]
    (line,) = notices([(20, 20)] * 10, texts)
    assert "30% of the captions or names (3 of 10 looked at)" in line and "--data.no-flip" in line
    assert '"the number five"' in line and '"b"' in line and "left of" in line
    assert notices([(20, 20)] * 10, texts, flip=False) == []


def test_names_count_too(notices: Notices) -> None:
    assert "100%" in notices([(20, 20)] * 4, ["a drawing"] * 4, {"name": "letter q"})[0]


def test_one_caption_in_many_is_not_said(notices: Notices) -> None:
    assert notices([(20, 20)] * 20, ["left", *["a fox"] * 19]) == []


@pytest.mark.parametrize(
    "text",
    ["turn LEFT", "a right-hand glove", "letter B", "7", "a seven", "eight", "Q", "hand-written words",
     "Logo of a bank", "arrow pointing rightwards", "clock at three o'clock", "Buchstabe A", "à gauche",
     "three digits"],
)  # fmt: skip
def test_what_is_another_thing_in_the_mirror(text: str) -> None:
    assert mirrored_words(text)


@pytest.mark.parametrize(
    "text",
    ["a fox", "two foxes", "a number of people", "leftover pizza", "bright copyright", "i am a fox", "", "狐",
     "a swordfish", "upright piano", *WITH_BACKGROUND, *WITHOUT_BACKGROUND],
)  # fmt: skip
def test_what_is_the_same_in_the_mirror(text: str) -> None:
    assert not mirrored_words(text)


def test_the_sample_is_bounded(tmp_path: Path, picture: Picture, monkeypatch: pytest.MonkeyPatch) -> None:
    data = picture(0, 8, 8)
    write_shards(tmp_path / "s", (Record(data, "png", "a fox", {}) for _ in range(3 * ROWS)))
    asked: list[int] = []
    read = ShardSet.read
    monkeypatch.setattr(ShardSet, "read", lambda self, i: asked.append(i) or read(self, i))
    sets = [ShardSet(tmp_path / "s"), ShardSet(tmp_path / "s")]
    assert data_notices(sets, DataConfig(shards="s"), [SQUARE]) == []
    assert len(asked) == ROWS and max(asked) > 2 * ROWS  # spread over the whole set


def test_samples_that_cannot_be_read_are_passed_over(tmp_path: Path) -> None:
    write_shards(tmp_path / "s", [Record(b"no picture", "jpg", "left", {})] * 4)
    assert data_notices([ShardSet(tmp_path / "s")], DataConfig(shards="s"), [SQUARE]) == []


def test_pictures_too_small_for_the_larger_rows(tmp_path: Path, picture: Picture) -> None:
    write_shards(
        tmp_path / "s", [Record(picture(i, side, side), "png", "a fox", {}) for i, side in enumerate([48, 64])]
    )
    sets, config = [ShardSet(tmp_path / "s")], DataConfig(shards="s")
    (line,) = data_notices(sets, config, [SQUARE], 2)
    assert "50% of the pictures (1 of 2 looked at) are smaller than 64 x 64" in line
    assert data_notices(sets, config, [(24, 24)], 2) == data_notices(sets, config, [SQUARE]) == []


def test_pictures_of_buckets_are_compared_with_their_own_bucket(tmp_path: Path, picture: Picture) -> None:
    """A picture of 130 x 90 is lower than the large square, and large enough for its proportions."""
    write_shards(tmp_path / "s", [Record(picture(i, 130, 90), "png", "a fox", {}) for i in range(3)])
    sets, config = [ShardSet(tmp_path / "s")], DataConfig(shards="s", buckets=True)
    assert data_notices(sets, config, [(48, 48), (40, 58)], 2) == []
    (line,) = data_notices(sets, config, [(48, 48), (48, 69)], 2)
    assert "100% of the pictures (3 of 3 looked at) are smaller than 2 times the base picture of their" in line
