"""A perceptual hash of 64 bits. The hashes of pictures that look alike differ in few bits.

The classic DCT hash (Zauner 2010, "Implementation and Benchmarking of Perceptual Image Hash Functions"; the
same bits in the same order as `imagehash.phash`): luma, scaled to 32 x 32 by Lanczos, two-dimensional DCT-II,
the lowest 8 x 8 coefficients, bit = coefficient above their median, row by row, first bit highest.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_SIDE, _KEPT = 32, 8


def _basis() -> NDArray[np.float64]:
    frequency, place = np.arange(_KEPT)[:, None], np.arange(_SIDE)[None]
    basis: NDArray[np.float64] = np.cos(np.pi * frequency * (2 * place + 1) / (2 * _SIDE))
    return basis


_BASIS = _basis()


def phash(picture: Image.Image) -> str:
    """Return the hash of an RGB picture as 16 hexadecimal digits."""
    small = picture.convert("L").resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    low = _BASIS @ np.asarray(small, np.float64) @ _BASIS.T
    bits = (low > np.median(low)).ravel()
    return np.packbits(bits).tobytes().hex()
