"""A shuffled order of samples as a function from position to sample. It needs no state and no shuffle buffer.

The order has two levels, so that batches are well mixed while reading stays fairly local on disk. Chunks of contiguous
samples are permuted over the whole set, then samples are permuted within windows of many chunks. Both permutations are
Feistel networks with cycle walking (Black and Rogaway, "Ciphers with arbitrary finite domains", 2002), vectorised over
positions. A large set is divided among a fixed number of streams, so that each of many ranks reads only a few chunks,
and yet all ranks together read one order.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from majolica.data.counter import I64, U64, mix, splitmix64

CHUNK = 100
"""Contiguous samples that stay together; this is about what a disk reads ahead at once."""
WINDOW = 1000
"""Number of chunks within which samples are mixed."""
STREAMS = 1024
"""Number of streams of a large set. If the number of ranks divides it, each rank reads chunks that no other rank
needs."""
STREAM_WINDOW = 16
"""The window of each stream if there are many; together the streams mix more than one large window does."""
LARGE = 1 << 20
"""A set with at least so many samples is large."""
ROUNDS = 6


def streams_of(n: int) -> int:
    """Return how many streams a set of `n` samples is divided among."""
    return STREAMS if n >= LARGE else 1


def sample_index(
    position: ArrayLike, n: int, seed: int, chunk: int = CHUNK, window: int = WINDOW, streams: int = 1
) -> I64:
    """Return which of `n` samples stands at each global `position` (int64, any shape, any epoch).

    The positions e*n to (e+1)*n - 1 of each epoch e visit every sample once, and each epoch has its own order.
    Positions that are equal modulo `streams` read neighbouring chunks.
    """
    if n < streams or streams < 1:
        raise ValueError(f"n must be positive and no less than the {streams} streams, not {n}")
    flat = np.asarray(position, np.int64)
    epoch, x = np.divmod(flat.reshape(-1), n)
    return shuffle(_deal(x, n, streams), epoch, n, seed, chunk, window).reshape(flat.shape)


def shuffle(place: I64, epoch: I64, n: int, seed: int, chunk: int = CHUNK, window: int = WINDOW) -> I64:
    """Return which of `n` samples stands at each `place` in [0, n) of the order of an `epoch`; both are `(N,)`."""
    chunk = min(chunk, n)
    x = _shuffle_once(place, epoch, n, seed, chunk, window)
    # The last chunk may be short. Places that it lacks are mapped once more, which keeps the map one to one.
    while (beyond := x >= n).any():
        x[beyond] = _shuffle_once(x[beyond], epoch[beyond], n, seed, chunk, window)
    return x


def permute(x: I64, size: int, key: U64) -> I64:
    """Apply to `x` in [0, size) the permutation of that range that belongs to `key` (one for each element, or one)."""
    if size <= 1:
        return np.zeros_like(x)
    half = max(1, ((size - 1).bit_length() + 1) // 2)
    keys = np.broadcast_to(key, x.shape)
    y = _feistel(x, half, keys)
    while (beyond := y >= size).any():
        y[beyond] = _feistel(y[beyond], half, keys[beyond])
    return y


def _deal(x: I64, n: int, streams: int) -> I64:
    """Give each residue modulo `streams` a run of places of its own; the places left over stay at the end."""
    length = n // streams
    stream, place = x % streams, x // streams
    return np.where(x < length * streams, stream * length + place, x)


def _shuffle_once(x: I64, epoch: I64, n: int, seed: int, chunk: int, window: int) -> I64:
    """Apply the two-level permutation of [0, chunks * chunk) once."""
    chunks = -(-n // chunk)
    places, span = chunks * chunk, chunk * window
    which, inside = np.divmod(x, span)
    key = mix(seed, 1, epoch, which)
    last = which == places // span
    inside[~last] = permute(inside[~last], span, key[~last])
    inside[last] = permute(inside[last], places % span, key[last])
    at, within = np.divmod(which * span + inside, chunk)
    return permute(at, chunks, mix(seed, 0, epoch)) * chunk + within


def _feistel(x: I64, half: int, key: U64) -> I64:
    """Apply a balanced Feistel network to numbers of 2 * half bits."""
    mask = np.uint64((1 << half) - 1)
    bits = x.astype(np.uint64)
    left, right = bits >> np.uint64(half), bits & mask
    for i in range(ROUNDS):
        left, right = right, left ^ (splitmix64(mix(key.view(np.int64), i) ^ right) & mask)
    return ((left << np.uint64(half)) | right).astype(np.int64)
