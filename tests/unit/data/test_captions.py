"""Drawing captions from many shards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from majolica.data.captions import draw_captions
from majolica.data.shards import ShardSet

Write = Callable[..., Path]


def test_all_in_order(write: Write) -> None:
    sources = [ShardSet(write(n)) for n in (3, 45, 1)]
    expected = [f"number {i}" for n in (3, 45, 1) for i in range(n)]
    assert list(draw_captions(sources, 49)) == expected == list(draw_captions(sources, 10**9))


def test_a_draw_is_uniform_over_all_sources_and_repeats(write: Write) -> None:
    sources = [ShardSet(write(n)) for n in (2, 6, 4)]
    counts: Counter[str] = Counter()
    for seed in range(900):
        drawn = list(draw_captions(sources, 4, seed))
        assert len(drawn) == 4
        counts.update(drawn)
    assert drawn == list(draw_captions(sources, 4, 899))
    # Each of 12 is drawn a third of the time: 300, standard deviation 14. Numbers 0 to 3 are in two or three sources.
    assert 530 < counts["number 2"] < 670 and 230 < counts["number 5"] < 370 and 800 < counts["number 0"] < 1000


def test_only_what_is_drawn_is_read(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    source = ShardSet(write(80))
    read: list[int] = []
    monkeypatch.setattr(ShardSet, "caption", lambda self, i: read.append(i) or "words")
    assert len(list(draw_captions([source], 5))) == 5 == len(read) and read == sorted(read)
