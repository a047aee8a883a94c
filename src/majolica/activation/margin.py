"""The part of a budget for what torch's allocator holds beside the tensors that a plan counts.

The measurements are in docs/adr/040.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

SHARE = 0.02
"""Share of the budget for temporary memory of kernels and for the rounding of large allocations."""

SHARE_OF_AUTOCAST = 0.06
"""The same share in low precision.

On GPUs, and on CPUs where oneDNN computes bfloat16 (those with AVX-512), autocast's rules and the
kernels differ from those of the trace, and up to 4.7 % more is kept than counted.
"""

BYTES_PER_CALL = 8192
"""Bytes per call of a block: checkpointing's random state, and rounding of small allocations."""

GPU_LIBRARY_BYTES = 16 * 2**20
"""Bytes for the workspaces that a GPU's libraries allocate for products and convolutions."""


@dataclass(frozen=True)
class Margin:
    """The part of a budget that tensors may not fill: a share of it plus a number of bytes."""

    share: float
    fixed: int

    def available(self, budget: int) -> int:
        """Return how many of `budget` bytes tensors may fill."""
        return math.floor(budget * (1 - self.share)) - self.fixed

    def budget_for(self, tensors: int) -> int:
        """Return the smallest budget in bytes of which tensors may fill `tensors` bytes."""
        budget = math.floor((tensors + self.fixed) / (1 - self.share))
        while self.available(budget) < tensors:
            budget += 1
        return budget


NO_MARGIN = Margin(0.0, 0)
"""The margin with which tensors may fill the whole budget."""


def margin_on(device: str, precision: str, calls: int) -> Margin:
    """Return the margin for a step with `calls` calls of blocks on a device ("cuda" or "cpu")."""
    share = SHARE if precision == "fp32" else SHARE_OF_AUTOCAST
    return Margin(share, BYTES_PER_CALL * calls + (0 if device == "cpu" else GPU_LIBRARY_BYTES))
