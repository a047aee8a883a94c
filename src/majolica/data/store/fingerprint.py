"""A hash that tells what a set of shards holds. It looks at a part of the set only, so it is quick however large the
set is, and it is the same in any store.

Up to LOOKS tars, evenly spaced, are hashed: their whole index (where each picture and caption lies, and its size), and
for some of their samples the caption and the middle of the picture. docs/adr/053-resume.md says what this finds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from majolica.data.pictures.faults import BadSample
from majolica.data.store.shards import ShardSet

LOOKS = 1024
"""How many samples are read in all, and the most tars that are looked into."""
_PIECE = 4096
"""The most bytes that are read of a picture or a caption."""
_THREADS = 32
_LAYOUT = ("image", "image_size", "text", "text_size")

Read = Callable[[int, int], bytes]


def hash_content(shards: ShardSet) -> str:
    """Return a hash of the layout and of some of the content; sets with the same samples have the same hash."""
    filled = np.array([t for t, tar in enumerate(shards.tars) if tar.count])
    chosen = filled[np.linspace(0, len(filled) - 1, min(LOOKS, len(filled)), dtype=np.int64)]
    each = max(1, LOOKS // len(chosen))
    with ThreadPoolExecutor(_THREADS) as pool:
        looks = list(pool.map(lambda tar: _look(shards, int(tar), each), chosen))
    return hashlib.sha256(b"".join(looks)).hexdigest()


def hash_stamps(shards: ShardSet) -> str:
    """Return a hash of the times at which the tars were changed, or of their ETags in a store.

    It stays the same as long as nobody writes to any of them.
    """
    return hashlib.sha256("\n".join(shards.stamps).encode("utf-8", "surrogateescape")).hexdigest()


def _look(shards: ShardSet, tar: int, samples: int) -> bytes:
    digest = hashlib.sha256()
    try:
        opened = shards.open_tar(tar)
        rows = opened.rows
        for name in _LAYOUT:
            digest.update(np.ascontiguousarray(rows[name]).tobytes())
        for i in np.unique(np.linspace(0, len(rows) - 1, samples, dtype=np.int64)):
            _add(digest, rows[i], opened.peek or opened.read)
    except (BadSample, OSError, ValueError, OverflowError) as error:
        digest.update(f"unreadable: {type(error).__name__}".encode())
    return digest.digest()


def _add(digest: Any, row: Any, read: Read) -> None:
    image, size = int(row["image"]), int(row["image_size"])
    length = min(size, _PIECE)
    digest.update(read(image + (size - length) // 2, length))
    digest.update(read(image + int(row["text"]), min(int(row["text_size"]), _PIECE)))
