"""The noise that painting starts from. It depends on the seed and the size of the picture alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set

import numpy as np
import torch
from torch import Tensor

from majolica.errors import UserError
from majolica.models.pooling import details, repeat
from majolica.plurals import counted, plural
from majolica.sampling.inputs import read_whole

LARGEST_SEED = 2**63


def read_seeds(given: object, count: int) -> list[int]:
    """One seed for each of `count` pictures.

    A whole number, or a sequence of one, is the seed of all of them; a longer sequence has one for each.

    Raises UserError where there are more or fewer seeds than pictures, and for a seed outside 0 to
    `LARGEST_SEED`.
    """
    if isinstance(given, Mapping | Set):
        raise UserError(f"the seeds are of type {type(given).__name__}: give one whole number, or a list of them")
    if not isinstance(given, str | bytes) and isinstance(given, Iterable) and getattr(given, "ndim", 1) != 0:
        seeds = [read_seed(seed) for seed in given]
        if len(seeds) not in (1, count):
            seen = f"{plural(len(seeds), 'is', 'are')} {counted(len(seeds), 'seed')}"
            raise UserError(f"there {seen} for {counted(count, 'picture')}: give one seed, or one a picture")
        return seeds if len(seeds) == count else seeds * count
    return [read_seed(given)] * count


def read_seed(given: object) -> int:
    """`given` as a Python integer from 0 to `LARGEST_SEED`; UserError for anything else."""
    seed = read_whole(given, "the seed")
    if not 0 <= seed <= LARGEST_SEED:
        raise UserError(f"the seed is {seed}: give a whole number from 0 to 2^63 ({LARGEST_SEED})")
    return seed


def draw_noise(seed: int, base: tuple[int, int], scale: int, detail_noise: float) -> Tensor:
    """Noise of the distribution of `shape_noise`, float32 `(3, k H, k W)`; k is `scale`, H and W are in `base`.

    Its means over cells of k x k pixels are the same at every k: the noise of the base resolution.
    They are drawn first, and the details after them. NumPy's Philox generator is used because it
    takes the whole seed; torch's generator for CPUs ignores all but the lowest 32 bits.
    """
    generator = np.random.Generator(np.random.Philox(seed))
    base_3HW = _normal(generator, *base)
    if scale == 1:
        return base_3HW
    white_3HW = _normal(generator, scale * base[0], scale * base[1])
    return repeat(base_3HW[None], scale)[0] + detail_noise * details(white_3HW[None], scale)[0]


def _normal(generator: np.random.Generator, height: int, width: int) -> Tensor:
    return torch.from_numpy(generator.standard_normal((3, height, width), dtype=np.float32))
