"""Drawing captions from many shards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from majolica.data.loading.captions import STRETCH, draw_captions, split_by_weights
from majolica.data.pictures.faults import BadSample
from majolica.data.store.shards import ShardSet

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


def test_each_source_gives_its_share_of_the_mixture(write: Write) -> None:
    sources = [ShardSet(write(n)) for n in (40, 40, 40)]
    read: Counter[int] = Counter()
    for place, source in enumerate(sources):
        source.caption = lambda i, place=place: f"{place}"  # type: ignore[method-assign, misc]
    read.update(map(int, draw_captions(sources, 20, weights=(3, 1, 0))))
    assert read == {0: 15, 1: 5}
    assert len(list(draw_captions(sources, 120, weights=(3, 1, 0)))) == 120


@pytest.mark.parametrize(
    ("sizes", "most", "weights", "expected"),
    [
        ((100, 100), 10, (1, 1), [5, 5]),
        ((2, 100), 10, (1, 1), [2, 8]),
        ((2, 3, 100), 60, (1, 1, 1), [2, 3, 55]),
        ((100, 100, 100), 10, (1, 1, 1), None),
        ((5, 100), 50, (1, 0), [5, 0]),
        ((10**9, 10), 10**6, (0.9, 0.1), [10**6 - 10, 10]),
    ],
)
def test_quotas(sizes: tuple[int, ...], most: int, weights: tuple[float, ...], expected: list[int] | None) -> None:
    given = split_by_weights(sizes, most, weights)
    if expected is None:
        assert sum(given) == most and max(given) - min(given) <= 1
    else:
        assert given == expected


def test_a_remote_source_is_read_in_stretches(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawn one by one, a few captions of each block would bring the whole data set here."""
    source, local = ShardSet(write(1000)), ShardSet(write(1000))
    source.remote = True
    read: dict[int, list[int]] = {id(source): [], id(local): []}
    monkeypatch.setattr(ShardSet, "caption", lambda self, i: read[id(self)].append(i) or "words")
    assert len(list(draw_captions([source, local], 600))) == 600
    numbers = read[id(source)]
    jumps = sum(b != a + 1 for a, b in pairwise(numbers))
    assert len(set(numbers)) == len(numbers) and 250 < len(numbers) < 350 and numbers == sorted(numbers)
    assert jumps <= -(-len(numbers) // STRETCH)
    assert sum(b != a + 1 for a, b in pairwise(read[id(local)])) > 50
    starts = set()
    for seed in range(40):
        read[id(source)].clear()
        list(draw_captions([source], 100, seed))
        assert len(read[id(source)]) == 100
        starts.add(read[id(source)][0])
    assert len(starts) > 4  # not always the first stretch


def test_what_cannot_be_read_is_counted_and_passed_over(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    source = ShardSet(write(3))
    whole = ShardSet.caption

    def caption(self: ShardSet, i: int) -> str:
        if i == 1:
            raise BadSample("tar cannot be read")
        return whole(self, i)

    monkeypatch.setattr(ShardSet, "caption", caption)
    faults: Counter[str] = Counter()
    assert list(draw_captions([source], 9, 0, faults)) == ["number 0", "number 2"]
    assert faults == {"tar cannot be read": 1}
