"""How the rows of a global micro-batch are used depends on their places alone, and is fair to all ranks."""

from __future__ import annotations

import pytest

from majolica.config.loss import LossConfig
from majolica.config.split import clean_by_rank, count_on_rank, fine_on_rank, noisiest_split, split_rows


@pytest.mark.parametrize("world", [1, 2, 3, 4, 16])
@pytest.mark.parametrize("share", [0.0, 0.05, 0.3, 0.5])
def test_ranks_have_the_places_that_the_global_micro_batch_gives_them(share: float, world: int) -> None:
    rows = 16 * world if world == 3 else 16
    parts = split_rows(LossConfig(clean_share=share, clean_share_end=share, fine_share=0.4), rows, 0.7)
    assert parts.clean == round(share * rows) and parts.fine == round(0.4 * parts.noisy)
    for count in (parts.noisy, parts.fine):
        mine = [len([place for place in range(rank, rows, world) if place < count]) for rank in range(world)]
        assert mine == [count_on_rank(count, rank, world) for rank in range(world)]
        assert sum(mine) == count and max(mine) - min(mine) <= 1 and mine[0] == max(mine)
    clean = [len([place for place in range(rank, rows, world) if place >= parts.noisy]) for rank in range(world)]
    assert clean == clean_by_rank(parts, world)


def test_a_share_that_moves_is_counted_where_it_leaves_the_most_noisy_rows() -> None:
    loss = LossConfig(clean_share=0.5, clean_share_end=0.25, fine_share=0.5)
    assert [split_rows(loss, 16, progress).clean for progress in (0.0, 0.5, 1.0)] == [8, 6, 4]
    assert noisiest_split(loss, 16) == split_rows(loss, 16, 1.0)


@pytest.mark.parametrize("scales", [(2,), (2, 4), (2, 3, 4)])
@pytest.mark.parametrize("world", [1, 2, 3, 4, 8, 9, 16, 64])
def test_every_rank_has_rows_of_every_scale(scales: tuple[int, ...], world: int) -> None:
    places = 24 * world
    found = [fine_on_rank(places, scales, rank, world) for rank in range(world)]
    assert sum(sum(count.values()) for count in found) == places
    for scale in scales:
        rows = [count[scale] for count in found]
        assert max(rows) - min(rows) <= (3 if len(scales) < 3 else 9) and abs(sum(rows) - places / len(scales)) <= 2
