"""The palette of a picture: the few colours that it is made of, and moving it to other ones.

A palette is found by k-means over a histogram of colours, whose first centres are its heaviest bins,
each far from those before it. A picture is moved to another palette by moving every pixel as the centres
around it move ("Palette-based photo recoloring", Chang et al. 2015, for both).

Shapes: B pictures, 3 colours, H and W pixels of a picture, N of them, K colours of a palette, M bins, S orders.
"""

from __future__ import annotations

import itertools
from functools import cache

import torch
from torch import Tensor

MOST = 5
"""Colours of a palette at most."""
BINS = 12
"""Bins of the histogram along each of red, green and blue."""
LEVELS = 2**16
"""Shades of red, green and blue that are told apart."""
ROUNDS = 10
"""Rounds of k-means."""
APART = 0.3
"""Distance at which a bin counts half as much or less, because a centre stands there already."""
MOVES = 3
"""How often a picture is moved, each time from where it is."""
REACH = 0.15
"""Distance from a centre, in units of colour, over which a pixel moves with it."""


def measure_palette(images_B3HW: Tensor, count: int = MOST) -> tuple[Tensor, Tensor]:
    """The palettes `(B, K, 3)` of pictures in [0, 1], and the share `(B, K)` of the pixels of each colour.

    A picture that has fewer colours has some twice, the second time with a share of 0.
    """
    colours_BM3, shares_BM = _histogram(images_B3HW.float())
    centres_BK3 = _choose_first(colours_BM3, shares_BM, count)
    for _ in range(ROUNDS):
        nearest_BM = torch.cdist(colours_BM3, centres_BK3).argmin(2)
        belongs_BMK = torch.nn.functional.one_hot(nearest_BM, count) * shares_BM[..., None]
        total_BK = belongs_BMK.sum(1)
        means_BK3 = belongs_BMK.mT @ colours_BM3 / total_BK.clamp(min=1e-9)[..., None]
        centres_BK3 = torch.where(total_BK[..., None] > 0, means_BK3, centres_BK3)
    return centres_BK3, total_BK


def match_palettes(found_BK3: Tensor, shares_BK: Tensor, wanted_BK3: Tensor) -> Tensor:
    """The wanted colours in the order in which the pixels of those found move least in squares, `(B, K, 3)`."""
    count = found_BK3.shape[1]
    orders_SK = _list_orders(count).to(found_BK3.device)
    cost_BKK = (found_BK3[:, :, None] - wanted_BK3[:, None]).square().sum(3) * shares_BK[..., None]
    rows_SK = torch.arange(count, device=found_BK3.device).expand_as(orders_SK)
    best_B = cost_BKK[:, rows_SK, orders_SK].sum(2).argmin(1)
    return wanted_BK3.gather(1, orders_SK[best_B][..., None].expand(-1, -1, 3))


@cache
def _list_orders(count: int) -> Tensor:
    """All orders of so many colours, `(S, K)`."""
    return torch.tensor(list(itertools.permutations(range(count))))


def move_to_palettes(images_B3HW: Tensor, wanted_BK3: Tensor) -> Tensor:
    """Pictures in [0, 1] made of the colours that are wanted; colours that are NaN are none."""
    counts_B, moved_B3HW = wanted_BK3.isfinite().all(2).sum(1), images_B3HW.clone()
    for count in sorted({*counts_B.tolist()} - {0}):
        rows_B = counts_B == count
        for _ in range(MOVES):
            moved_B3HW[rows_B] = _move(moved_B3HW[rows_B], wanted_BK3[rows_B, :count])
    return moved_B3HW


def _move(images_B3HW: Tensor, wanted_BK3: Tensor) -> Tensor:
    """Pictures moved once: nearly all the way, because a pixel between two colours moves with both."""
    found_BK3, shares_BK = measure_palette(images_B3HW, wanted_BK3.shape[1])
    shift_BK3 = match_palettes(found_BK3, shares_BK, wanted_BK3) - found_BK3
    pixels_BN3 = images_B3HW.float().flatten(2).mT
    near_BNK = torch.cdist(pixels_BN3, found_BK3).square() / (2 * REACH**2)
    weights_BNK = (-near_BNK.masked_fill(shares_BK[:, None] == 0, torch.inf)).softmax(2)
    moved_BN3 = pixels_BN3 + weights_BNK @ shift_BK3
    return moved_BN3.mT.reshape(images_B3HW.shape).clamp(0, 1).to(images_B3HW.dtype)


def palette_distance(images_B3HW: Tensor, wanted_BK3: Tensor) -> Tensor:
    """How far the colours of pictures in [0, 1] are from those that were wanted, `(B,)`.

    It is the mean over the pixels of how far their found colour is from the wanted one, as a share of the
    way from black to white. Colours that are NaN are none, and a picture of which none is wanted gets NaN.
    """
    counts_B, away_B = wanted_BK3.isfinite().all(2).sum(1), images_B3HW.new_full((len(images_B3HW),), torch.nan)
    for count in sorted({*counts_B.tolist()} - {0}):
        rows_B = counts_B == count
        found_BK3, shares_BK = measure_palette(images_B3HW[rows_B], count)
        shift_BK3 = match_palettes(found_BK3, shares_BK, wanted_BK3[rows_B, :count]) - found_BK3
        away_B[rows_B] = (shift_BK3.square().sum(2).sqrt() / 3**0.5 * shares_BK).sum(1)
    return away_B


def _histogram(images_B3HW: Tensor) -> tuple[Tensor, Tensor]:
    """The mean colours `(B, M, 3)` of the bins of pictures, and the share of the pixels in each, `(B, M)`."""
    pixels_BN3 = images_B3HW.flatten(2).mT
    batch, count = pixels_BN3.shape[:2]
    bins_BN3 = (pixels_BN3 * BINS).long().clamp(0, BINS - 1)
    index_BN = (bins_BN3[..., 0] * BINS + bins_BN3[..., 1]) * BINS + bins_BN3[..., 2]
    counts_BM = index_BN.new_zeros(batch, BINS**3).scatter_add(1, index_BN, torch.ones_like(index_BN))
    levels_BN3 = (pixels_BN3 * LEVELS).round().long()  # whole numbers, whose sums do not depend on their order
    sums_BM3 = index_BN.new_zeros(batch, BINS**3, 3).scatter_add(1, index_BN[..., None].expand(-1, -1, 3), levels_BN3)
    means_BM3 = sums_BM3 / (counts_BM.clamp(min=1) * LEVELS)[..., None]
    return means_BM3.to(pixels_BN3), (counts_BM / count).to(pixels_BN3)


def _choose_first(colours_BM3: Tensor, shares_BM: Tensor, count: int) -> Tensor:
    """First centres `(B, K, 3)`: again and again the heaviest bin, where bins near to a centre weigh less."""
    weights_BM, chosen = shares_BM, []
    for _ in range(count):
        best_B = weights_BM.argmax(1)
        centre_B13 = colours_BM3.gather(1, best_B[:, None, None].expand(-1, 1, 3))
        chosen.append(centre_B13)
        away_BM = (colours_BM3 - centre_B13).square().sum(2)
        weights_BM = weights_BM * (1 - (-away_BM / APART**2).exp())
    return torch.cat(chosen, 1)
