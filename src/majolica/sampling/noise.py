"""The noise that painting starts from. It depends on the seed and the size of the picture alone."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from majolica.errors import UserError
from majolica.models.majolica import pool
from majolica.plurals import counted, plural
from majolica.sampling.inputs import read_whole

LARGEST_SEED = 2**63


def read_seeds(given: object, count: int) -> list[int]:
    """One seed for each of `count` pictures.

    A whole number is the seed of all of them; a sequence has one for each.

    Raises UserError where there are more or fewer seeds than pictures, and for a seed outside 0 to
    `LARGEST_SEED`.
    """
    if not isinstance(given, str | bytes) and isinstance(given, Iterable) and getattr(given, "ndim", 1) != 0:
        seeds = [read_seed(seed) for seed in given]
        if len(seeds) != count:
            seen = f"{plural(len(seeds), 'is', 'are')} {counted(len(seeds), 'seed')}"
            raise UserError(f"there {seen} for {counted(count, 'picture')}: give one seed, or one a picture")
        return seeds
    return [read_seed(given)] * count


def read_seed(given: object) -> int:
    """`given` as a Python integer from 0 to `LARGEST_SEED`; UserError for anything else."""
    seed = read_whole(given, "the seed")
    if not 0 <= seed <= LARGEST_SEED:
        raise UserError(f"the seed is {seed}: give a whole number from 0 to 2^63 ({LARGEST_SEED})")
    return seed


def draw_noise(seed: int, base: tuple[int, int], scale: int) -> Tensor:
    """White noise of standard deviation k = `scale`, float32 `(3, k H, k W)`; H and W are the sides in `base`.

    Its means over cells of k x k pixels are the same at every k: the noise of the base resolution.
    The mean of k^2 independent Gaussians is independent of their differences from it, so the means
    can be drawn first, once for all sizes, and the differences after them. NumPy's Philox generator
    is used because it takes the whole seed; torch's generator for CPUs ignores all but the lowest
    32 bits.
    """
    generator = np.random.Generator(np.random.Philox(seed))
    base_3HW = _normal(generator, *base)
    if scale == 1:
        return base_3HW
    detail_3HW = scale * _normal(generator, scale * base[0], scale * base[1])
    shift_13HW = (base_3HW - pool(detail_3HW, scale))[None]
    return detail_3HW + F.interpolate(shift_13HW, scale_factor=scale, mode="nearest")[0]


def _normal(generator: np.random.Generator, height: int, width: int) -> Tensor:
    return torch.from_numpy(generator.standard_normal((3, height, width), dtype=np.float32))
