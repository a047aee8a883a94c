"""What torch's allocator holds in a step beside the tensors that a plan counts (docs/adr/040 has the measurements)."""

from __future__ import annotations

import math
from dataclasses import dataclass

SHARE = 0.02
"""Of the budget: kernels' temporary memory, and the allocator's rounding of large tensors."""

SHARE_OF_AUTOCAST = 0.06
"""The same in low precision: on devices that multiply it, GPUs and some CPUs, autocast has rules of its own and keeps
up to 4.7 % more than is counted."""

A_CALL = 8192
"""Bytes for each call of a block: the random state that checkpointing keeps, and the rounding of small tensors."""

LIBRARIES = 16 * 2**20
"""Bytes of a GPU that its libraries take for themselves: workspaces of products and convolutions."""


@dataclass(frozen=True)
class Margin:
    """A share of the budget and some bytes on top."""

    share: float
    fixed: int

    def left(self, budget: int) -> int:
        """What a budget leaves to tensors, in bytes."""
        return math.floor(budget * (1 - self.share)) - self.fixed

    def needed(self, tensors: int) -> int:
        """The smallest budget that leaves so many bytes to tensors."""
        budget = math.floor((tensors + self.fixed) / (1 - self.share))
        while self.left(budget) < tensors:
            budget += 1
        return budget


NONE = Margin(0.0, 0)
"""Tensors may fill the budget."""


def margin_on(device: str, precision: str, calls: int) -> Margin:
    """The margin on a kind of device, in a precision, for a step with so many calls of blocks."""
    share = SHARE if precision == "fp32" else SHARE_OF_AUTOCAST
    return Margin(share, A_CALL * calls + (0 if device == "cpu" else LIBRARIES))
