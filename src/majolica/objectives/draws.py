"""Random numbers row by row, so that a row's draws are the same on any rank, in any micro-step and any company."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class Draws:
    """One stream of random numbers for each of `B` rows, fixed by the row's seed alone."""

    def __init__(self, streams: Sequence[torch.Generator]) -> None:
        self.streams = streams

    @staticmethod
    def seeded(seeds: Sequence[int]) -> Draws:
        """Fresh streams; seeds below 2^63."""
        return Draws([torch.Generator().manual_seed(seed) for seed in seeds])

    def __getitem__(self, rows: slice) -> Draws:
        """The same streams, of some rows: what they give is gone for all."""
        return Draws(self.streams[rows])

    def normal(self, *shape: int) -> Tensor:
        """Unit Gaussians `(B, *shape)`."""
        out = torch.empty(len(self.streams), *shape)
        for row, stream in zip(out.unbind(), self.streams, strict=True):
            row.normal_(generator=stream)
        return out

    def uniform(self, *shape: int) -> Tensor:
        """Numbers in [0, 1), `(B, *shape)`."""
        out = torch.empty(len(self.streams), *shape)
        for row, stream in zip(out.unbind(), self.streams, strict=True):
            row.uniform_(generator=stream)
        return out

    def below(self, limit: int) -> Tensor:
        """Integers in [0, limit), `(B,)`."""
        return (self.uniform() * limit).long().clamp(max=limit - 1)
