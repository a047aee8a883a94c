"""The parts of Inception v3: convolutions with batch norm, and blocks of parallel branches.

Blocks are described by values, because they differ only in their branches. Names of layers are those of torchvision,
which the published state dicts use.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Pool = Callable[[Tensor], Tensor]

average_neighbours: Pool = partial(F.avg_pool2d, kernel_size=3, stride=1, padding=1, count_include_pad=False)
"""The mean over 3 x 3 pixels; at the border over those that exist, as TensorFlow computes it."""
largest_neighbour: Pool = partial(F.max_pool2d, kernel_size=3, stride=1, padding=1)
"""The largest of 3 x 3 pixels."""
halve: Pool = partial(F.max_pool2d, kernel_size=3, stride=2)
"""The largest of 3 x 3 pixels, at every second pixel."""


class ConvNorm(nn.Module):
    """A convolution without bias, batch norm with the epsilon of TensorFlow, and a rectifier."""

    def __init__(self, width_in: int, width: int, kernel: tuple[int, int], stride: int = 1, pad: bool = True) -> None:
        super().__init__()
        padding = (kernel[0] // 2, kernel[1] // 2) if pad else 0
        self.conv = nn.Conv2d(width_in, width, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(width, eps=0.001)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x_BCHW)), inplace=True)


@dataclass(frozen=True)
class Conv:
    """A `ConvNorm` of a branch. It keeps the size of its input, or halves it without padding if the stride is 2."""

    name: str
    width: int
    kernel: tuple[int, int] = (1, 1)
    stride: int = 1

    def build(self, width_in: int) -> ConvNorm:
        """Return the layer for an input of `width_in` channels."""
        return ConvNorm(width_in, self.width, self.kernel, self.stride, pad=self.stride == 1)


@dataclass(frozen=True)
class InceptionBranch:
    """A pool, if there is one, then convolutions in a row, then those of `fork` side by side, if there are any."""

    convs: tuple[Conv, ...] = ()
    fork: tuple[Conv, ...] = ()
    pool: Pool | None = None


class InceptionBlock(nn.Module):
    """Branches that all read the same input, and whose outputs are stacked in their order."""

    def __init__(self, width_in: int, branches: Sequence[InceptionBranch]) -> None:
        super().__init__()
        self.branches = tuple(branches)
        self.width = 0
        for branch in branches:
            width = width_in
            for conv in branch.convs:
                self.add_module(conv.name, conv.build(width))
                width = conv.width
            for conv in branch.fork:
                self.add_module(conv.name, conv.build(width))
            self.width += sum(conv.width for conv in branch.fork) or width

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return torch.cat([self._follow(branch, x_BCHW) for branch in self.branches], 1)

    def _follow(self, branch: InceptionBranch, x_BCHW: Tensor) -> Tensor:
        if branch.pool is not None:
            x_BCHW = branch.pool(x_BCHW)
        for conv in branch.convs:
            x_BCHW = self.get_submodule(conv.name)(x_BCHW)
        if not branch.fork:
            return x_BCHW
        return torch.cat([self.get_submodule(conv.name)(x_BCHW) for conv in branch.fork], 1)


def block_a(pool_width: int) -> list[InceptionBranch]:
    """The branches of the blocks at 35 x 35 pixels: kernels of 1 x 1, 5 x 5 and twice 3 x 3."""
    return [
        InceptionBranch((Conv("branch1x1", 64),)),
        InceptionBranch((Conv("branch5x5_1", 48), Conv("branch5x5_2", 64, (5, 5)))),
        InceptionBranch(
            (Conv("branch3x3dbl_1", 64), Conv("branch3x3dbl_2", 96, (3, 3)), Conv("branch3x3dbl_3", 96, (3, 3)))
        ),
        InceptionBranch((Conv("branch_pool", pool_width),), pool=average_neighbours),
    ]


def block_b() -> list[InceptionBranch]:
    """The branches of the block that goes from 35 x 35 to 17 x 17 pixels."""
    double = (Conv("branch3x3dbl_1", 64), Conv("branch3x3dbl_2", 96, (3, 3)), Conv("branch3x3dbl_3", 96, (3, 3), 2))
    return [InceptionBranch((Conv("branch3x3", 384, (3, 3), 2),)), InceptionBranch(double), InceptionBranch(pool=halve)]


def block_c(width: int) -> list[InceptionBranch]:
    """The branches of the blocks at 17 x 17 pixels: kernels of 1 x 7 and 7 x 1 in turn, `width` channels between."""
    flat, tall = (1, 7), (7, 1)
    single = (Conv("branch7x7_1", width), Conv("branch7x7_2", width, flat), Conv("branch7x7_3", 192, tall))
    double = (
        Conv("branch7x7dbl_1", width),
        Conv("branch7x7dbl_2", width, tall),
        Conv("branch7x7dbl_3", width, flat),
        Conv("branch7x7dbl_4", width, tall),
        Conv("branch7x7dbl_5", 192, flat),
    )
    pooled = InceptionBranch((Conv("branch_pool", 192),), pool=average_neighbours)
    return [InceptionBranch((Conv("branch1x1", 192),)), InceptionBranch(single), InceptionBranch(double), pooled]


def block_d() -> list[InceptionBranch]:
    """The branches of the block that goes from 17 x 17 to 8 x 8 pixels."""
    wide = (
        Conv("branch7x7x3_1", 192),
        Conv("branch7x7x3_2", 192, (1, 7)),
        Conv("branch7x7x3_3", 192, (7, 1)),
        Conv("branch7x7x3_4", 192, (3, 3), 2),
    )
    return [
        InceptionBranch((Conv("branch3x3_1", 192), Conv("branch3x3_2", 320, (3, 3), 2))),
        InceptionBranch(wide),
        InceptionBranch(pool=halve),
    ]


def block_e(pool: Pool) -> list[InceptionBranch]:
    """The branches of the blocks at 8 x 8 pixels, which end in kernels of 1 x 3 and 3 x 1 side by side."""
    fork = (Conv("branch3x3_2a", 384, (1, 3)), Conv("branch3x3_2b", 384, (3, 1)))
    double = (Conv("branch3x3dbl_1", 448), Conv("branch3x3dbl_2", 384, (3, 3)))
    double_fork = (Conv("branch3x3dbl_3a", 384, (1, 3)), Conv("branch3x3dbl_3b", 384, (3, 1)))
    return [
        InceptionBranch((Conv("branch1x1", 320),)),
        InceptionBranch((Conv("branch3x3_1", 384),), fork),
        InceptionBranch(double, double_fork),
        InceptionBranch((Conv("branch_pool", 192),), pool=pool),
    ]
