"""Random numbers row by row, so that a row's draws are the same on any rank, in any micro-step and any company."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

CPU = torch.device("cpu")


class Draws:
    """Streams of random numbers, a pair for each of `B` rows, fixed by the row's seed alone.

    Numbers that the host must know come from its own stream. Noise is drawn where it is used: from the host it would
    take a core and the bus for a fast GPU.
    """

    def __init__(self, streams: Sequence[torch.Generator], noise_streams: Sequence[torch.Generator]) -> None:
        self.streams, self.noise_streams = streams, noise_streams

    @staticmethod
    def seeded(seeds: Sequence[int], device: torch.device = CPU) -> Draws:
        """Fresh streams; seeds below 2^63. Noise is the same on all devices of a kind."""
        streams = [generator(CPU).manual_seed(seed) for seed in seeds]
        same = device.type == "cpu"
        return Draws(streams, streams if same else [generator(device).manual_seed(seed) for seed in seeds])

    def __getitem__(self, rows: slice) -> Draws:
        """The same streams, of some rows: what they give is gone for all."""
        return Draws(self.streams[rows], self.noise_streams[rows])

    def noise(self, like_BCHW: Tensor) -> Tensor:
        """Unit Gaussians, shaped as `like_BCHW` and on its device."""
        return fill_rows(torch.empty_like(like_BCHW), Tensor.normal_, self.noise_streams)

    def normal(self) -> Tensor:
        """A unit Gaussian for each row, `(B,)`."""
        return fill_rows(torch.empty(len(self.streams)), Tensor.normal_, self.streams)

    def uniform(self, *shape: int) -> Tensor:
        """Numbers in [0, 1), `(B, *shape)`."""
        return fill_rows(torch.empty(len(self.streams), *shape), Tensor.uniform_, self.streams)

    def below(self, limit: int) -> Tensor:
        """Integers in [0, limit), `(B,)`."""
        return (self.uniform() * limit).long().clamp(max=limit - 1)


def fill_rows(out: Tensor, fill: Callable[..., Tensor], streams: Sequence[torch.Generator]) -> Tensor:
    """`out`, each row of which `fill` has filled from its own stream."""
    for row, stream in zip(out.unbind(), streams, strict=True):
        fill(row, generator=stream)
    return out


def generator(device: torch.device) -> torch.Generator:
    """A stream of `device`."""
    return torch.Generator(device)
