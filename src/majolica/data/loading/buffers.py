"""Memory for batches, which is used again as soon as nobody holds the batch any more."""

from __future__ import annotations

import math
import weakref
from collections import deque

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class Buffers:
    """A supply of uint8 tensors whose memory is used again.

    Getting new memory from the system, page by page, takes longer than copying pictures into it. At most `keep` pieces
    of memory are kept for later. It is safe to use from many threads.
    """

    def __init__(self, keep: int) -> None:
        # A deque needs no lock. With one, the garbage collector could return memory while this very thread holds it.
        self._free: deque[NDArray[np.uint8]] = deque(maxlen=keep)

    def take(self, *shape: int) -> Tensor:
        """Return a tensor with undefined contents; its memory comes back when the last view of it is gone."""
        size = math.prod(shape)
        try:
            memory = self._free.pop()
        except IndexError:
            memory = np.empty(size, np.uint8)
        if memory.size < size:  # the piece is too small, so it is dropped
            memory = np.empty(size, np.uint8)
        lent = memory[:size]
        # The tensor holds `lent`, which holds `memory`: when `lent` goes, no view is left.
        weakref.finalize(lent, self._free.append, memory).atexit = False
        return torch.from_numpy(lent).view(shape)
