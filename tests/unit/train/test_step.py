"""How a batch becomes rows: by places in the global micro-batch, the pictures that are painted larger first."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from majolica.config.split import RowSplit
from majolica.data.loading.loader import Batch
from majolica.distributed.group import Group
from majolica.train.step import draw_rows
from tiny import tiny_run


class Letters:
    """A vocabulary of the first letters of captions."""

    def encode(self, captions: list[str], length: int) -> torch.Tensor:
        return torch.tensor([[ord(caption[0])] * length for caption in captions])


def run() -> Any:
    config = tiny_run(Path("none"))
    config = dataclasses.replace(config, data=dataclasses.replace(config.data, flip=False, jitter=0.0))
    return SimpleNamespace(config=config, group=Group(0, 1, torch.device("cpu")), tokenizer=Letters())


def batch(fine_rows: tuple[int, ...], places: range, start: int = 1000) -> Batch:
    """Row i is as bright as 10 times its place."""
    bright_B = torch.tensor([10 * place for place in places], dtype=torch.uint8)
    images = bright_B[:, None, None, None].expand(-1, 3, 16, 16).clone()
    fine = bright_B[list(fine_rows)][:, None, None, None].expand(-1, 3, 32, 32).clone()
    captions = [chr(ord("a") + place) for place in places]
    places_B = torch.tensor(list(places))
    return Batch(images, captions, places_B + start, {2: fine}, {2: fine_rows}, places_B)


@pytest.mark.parametrize(
    ("fine_rows", "order", "fine"),
    [((), "abcdefgh", 0), ((0, 1, 2), "abcdefgh", 3), ((1, 3), "bdacefgh", 2), ((1, 4), "bacdefgh", 1)],
)
def test_roles_follow_the_places(fine_rows: tuple[int, ...], order: str, fine: int) -> None:
    rows, targets = draw_rows(run(), batch(fine_rows, range(8)), RowSplit(8, noisy=5, fine=4))
    assert rows.noisy == 5 and (rows.t_B[:5] < 1).all() and (rows.t_B[5:] == 1).all()
    assert "".join(map(chr, rows.condition.tokens_BL[:, 0].tolist())) == order
    assert len(targets.fine[0].detail_F3HW) == len(rows.fine[0].pixels_F3HW) == fine
    expected = torch.tensor([10 * (ord(letter) - ord("a")) for letter in order]) / 127.5 - 1
    shown = torch.cat((targets.base_M3HW, rows.base_B3HW[5:]))[:, 0, 0, 0]
    torch.testing.assert_close(shown, expected, rtol=0, atol=1e-6)


def test_rows_of_several_scales_come_first() -> None:
    given = batch((0, 3), range(8))
    large = given.large | {3: torch.tensor([10, 20, 40])[:, None, None, None].expand(-1, 3, 48, 48).byte()}
    given = dataclasses.replace(given, large=large, large_rows=given.large_rows | {3: (1, 2, 4)})
    rows, targets = draw_rows(run(), given, RowSplit(8, noisy=6, fine=4))
    assert "".join(map(chr, rows.condition.tokens_BL[:, 0].tolist())) == "adbcefgh"
    assert [crops.window.scale for crops in rows.fine] == [2, 3]
    for fine, crops in zip(targets.fine, rows.fine, strict=True):
        assert fine.detail_F3HW.shape == (2, 3, 16, 16) and len(crops.pixels_F3HW) == 2
        assert fine.detail_F3HW.abs().max() < 1e-6, "flat pictures have no details"


def test_a_row_is_the_same_on_any_rank() -> None:
    parts = RowSplit(8, noisy=5, fine=4)
    whole, _ = draw_rows(run(), batch((1, 3), range(8)), parts)
    found = {}
    for rank, fine_rows in ((0, ()), (1, (0, 1))):
        mine, _ = draw_rows(run(), batch(fine_rows, range(rank, 8, 2)), parts)
        assert mine.noisy == (3, 2)[rank]
        found |= {
            int(c): (x, t) for c, x, t in zip(mine.condition.tokens_BL[:, 0], mine.base_B3HW, mine.t_B, strict=True)
        }
    for c, x, t in zip(whole.condition.tokens_BL[:, 0], whole.base_B3HW, whole.t_B, strict=True):
        assert torch.equal(found[int(c)][0], x) and torch.equal(found[int(c)][1], t)


def test_clean_rows_alone_lose_their_colours_and_only_when_it_is_time() -> None:
    given = batch((), range(8))
    images = given.images_B3HW.clone()
    images[:, 0] += 90  # red, so that other colours show
    given = dataclasses.replace(given, images_B3HW=images)

    def rows_at(step: int, share: float) -> Any:
        training = run()
        loss = dataclasses.replace(training.config.loss, recolour=share, recolour_from=0.5)
        optim = dataclasses.replace(training.config.optim, warmup=0)
        training.config = dataclasses.replace(training.config, loss=loss, optim=optim)
        training.step, training.plan = step, SimpleNamespace(at=lambda _: 100)
        return draw_rows(training, given, RowSplit(8, noisy=5, fine=0))[0]

    plain, early, late = rows_at(50, 0.0), rows_at(49, 1.0), rows_at(50, 1.0)
    assert torch.equal(plain.base_B3HW, early.base_B3HW)
    assert torch.equal(plain.base_B3HW[:5], late.base_B3HW[:5])
    assert torch.equal(plain.condition.values_BP[:5], late.condition.values_BP[:5])
    assert not any(torch.equal(a, b) for a, b in zip(plain.base_B3HW[5:], late.base_B3HW[5:], strict=True))
