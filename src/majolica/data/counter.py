"""Counter-based random numbers: each is a pure function of its keys, and never of the numbers drawn before it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

I64 = NDArray[np.int64]
U64 = NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def splitmix64(x: U64) -> U64:
    """Return the splitmix64 output for each state `x` (Steele, Lea and Flood, OOPSLA 2014; modulo 2**64)."""
    with np.errstate(over="ignore"):
        z = x + _GOLDEN
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def mix(*keys: ArrayLike) -> U64:
    """Hash integer keys of any sign, broadcast against each other, to uint64; the order of the keys matters."""
    state = np.zeros((), np.uint64)
    for key in keys:
        state = splitmix64(state ^ np.asarray(key, np.int64).astype(np.uint64))
    return state


def uniform(seed: int, stream: int, positions: ArrayLike, columns: int) -> NDArray[np.float64]:
    """Return `(positions, columns)` numbers in [0, 1); row i depends only on (seed, stream, positions[i])."""
    rows = np.asarray(positions, np.int64)[:, None]
    bits = mix(seed, stream, rows, np.arange(columns)[None, :])
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53
