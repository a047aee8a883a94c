"""Memory for batches that is used again once nobody holds a batch any more."""

from __future__ import annotations

import math
import weakref
from collections import deque

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class Buffers:
    """Lends uint8 tensors. Memory fresh from the system costs more, page by page, than copying pictures into it.

    At most `keep` pieces of memory are held back for later. Safe to use from many threads.
    """

    def __init__(self, keep: int) -> None:
        # No lock: the garbage collector may bring memory back while this very thread takes some.
        self._free: deque[NDArray[np.uint8]] = deque(maxlen=keep)

    def take(self, *shape: int) -> Tensor:
        """A tensor with undefined contents; its memory comes back when the last view of it is gone."""
        size = math.prod(shape)
        try:
            memory = self._free.pop()
        except IndexError:
            memory = np.empty(size, np.uint8)
        if memory.size < size:  # the small one is dropped
            memory = np.empty(size, np.uint8)
        lent = memory[:size]
        # The tensor holds `lent`, which holds `memory`: when `lent` goes, no view is left.
        weakref.finalize(lent, self._free.append, memory).atexit = False
        return torch.from_numpy(lent).view(shape)
