"""Random numbers that are drawn separately for each row of a batch.

A row therefore gets the same numbers on any rank, in any micro-step and beside any other rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

CPU = torch.device("cpu")


class Draws:
    """Two streams of random numbers for each of `B` rows, which depend on the row's seed alone.

    Numbers that the host has to know come from the stream on the host. Noise comes from the stream
    on the device, because drawing it on the host and copying it would keep a fast GPU waiting. On
    a CPU both are the same stream.
    """

    def __init__(self, streams: Sequence[torch.Generator], noise_streams: Sequence[torch.Generator]) -> None:
        self.streams, self.noise_streams = streams, noise_streams

    @staticmethod
    def seeded(seeds: Sequence[int], device: torch.device = CPU) -> Draws:
        """Return streams that start from the rows' seeds, which must be below 2^63.

        The noise is the same on all devices of one type, but differs between a CPU and a GPU.
        """
        streams = [generator(CPU).manual_seed(seed) for seed in seeds]
        same = device.type == "cpu"
        return Draws(streams, streams if same else [generator(device).manual_seed(seed) for seed in seeds])

    def __getitem__(self, rows: slice) -> Draws:
        """Return the streams of some of the rows.

        They are shared and not copied, so no object draws the same numbers again.
        """
        return Draws(self.streams[rows], self.noise_streams[rows])

    def noise(self, like_BCHW: Tensor) -> Tensor:
        """Draw unit Gaussians with the shape and the device of `like_BCHW`."""
        return fill_rows(torch.empty_like(like_BCHW), Tensor.normal_, self.noise_streams)

    def normal(self, *shape: int) -> Tensor:
        """Draw unit Gaussians, `(B, *shape)`."""
        return fill_rows(torch.empty(len(self.streams), *shape), Tensor.normal_, self.streams)

    def uniform(self, *shape: int) -> Tensor:
        """Draw numbers in [0, 1), `(B, *shape)`."""
        return fill_rows(torch.empty(len(self.streams), *shape), Tensor.uniform_, self.streams)

    def below(self, limit: int) -> Tensor:
        """Draw an integer in [0, limit) for each row, `(B,)`."""
        return (self.uniform() * limit).long().clamp(max=limit - 1)


def fill_rows(out: Tensor, fill: Callable[..., Tensor], streams: Sequence[torch.Generator]) -> Tensor:
    """Fill each row of `out` from its own stream, and return `out`."""
    for row, stream in zip(out.unbind(), streams, strict=True):
        fill(row, generator=stream)
    return out


def generator(device: torch.device) -> torch.Generator:
    """Return a new stream on `device`."""
    return torch.Generator(device)
