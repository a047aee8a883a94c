"""Where tokens meet, no step shows: at the base resolution and in larger pictures."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor, nn

from majolica.config.model import ModelConfig
from majolica.eval.detail import seam_index
from majolica.models import majolica
from majolica.models.conditions import Condition
from majolica.models.decoder import unit_of
from majolica.models.interpolation import Window
from majolica.models.majolica import Majolica
from majolica.models.pooling import pool, repeat
from tiny import TINY, awake

MOST = 1.02
ROWS = 64
SIDE, PATCH = 64, 16


class PlainColours(nn.Module):
    """Every token paints its window in one colour, and the colours change slowly from token to token."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        side = config.resolution // config.patch
        places = torch.arange(side) * torch.pi / (2 * side)
        phases = 2 * torch.pi * torch.rand(ROWS, 3, 1, 1)
        colours = (places[:, None] + places + phases).sin()  # B, 3, h, w
        self.windows = colours.flatten(2).transpose(1, 2).repeat_interleave((2 * config.patch) ** 2, 2)

    def forward(self, _: Tensor) -> Tensor:
        return self.windows


def paint(scale: int) -> Tensor:
    """Clean pictures `B3HW` whose tokens paint plain colours, with small random corrections by the decoder."""
    torch.manual_seed(0)
    # Random weights alone make the index 0.98 to 1.10; it is 0.99 with those that this model draws.
    config = dataclasses.replace(TINY, resolution=SIDE, patch=PATCH, property_entry="tokens")
    model = awake(Majolica(config))
    model.to_window = PlainColours(config)  # type: ignore[assignment]
    with torch.no_grad():
        model.decoder.leave.weight *= 0.02  # random corrections as large as the colours would hide them
        z, t = torch.randn(ROWS, 3, SIDE * scale, SIDE * scale), torch.full((ROWS,), 0.4)
        asked = Condition(
            torch.ones(ROWS, config.text.length, dtype=torch.int64),
            torch.ones(ROWS, dtype=torch.bool),
            torch.zeros(ROWS, len(config.properties)),
            torch.zeros(ROWS, len(config.properties), dtype=torch.bool),
        )
        base = pool(z, scale)
        tokens, time = model.perceive(base, t)
        grid, clean = model.paint(tokens, time, model.read(asked.tokens_BL), asked, base, t)
        if scale == 1:
            return clean
        return repeat(clean, scale) + model.predict_details(grid, clean, z, t, Window.whole(ROWS, scale, z.device))


def cut_patches(x_BNP: Tensor, patch: int, grid: tuple[int, int]) -> Tensor:
    """The middle of every window, side by side: what tokens painted before windows overlapped."""
    x = x_BNP.view(len(x_BNP), *grid, 3, 2 * patch, 2 * patch)
    middle = slice(patch // 2, patch // 2 + patch)
    x = x[..., middle, middle].permute(0, 3, 1, 4, 2, 5)
    return x.reshape(len(x_BNP), 3, grid[0] * patch, grid[1] * patch)


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_no_seam_shows_where_tokens_meet(scale: int, monkeypatch: pytest.MonkeyPatch) -> None:
    period, lattice = PATCH * scale, unit_of(TINY.decoder) * scale

    def index() -> float:
        """Lines between tokens beside others on which the decoder's squares meet. Random weights let these show, which
        training unlearns; evaluation measures it on trained models, where all lines are compared."""
        return seam_index(paint(scale), period, every=lattice)

    assert index() <= MOST
    monkeypatch.setattr(majolica, "overlap_patches", cut_patches)
    assert index() > 1.2 * MOST, "patches that do not overlap must show"
