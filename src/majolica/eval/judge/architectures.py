"""The networks of the judges."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from majolica.properties.pixels import luma

SHRINK = 0.75
"""Side of what the network for shapes looks at, as a share of the side of a picture."""


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        last = nn.Sequential(nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width))
        self.body = nn.Sequential(_conv(width, width, 1), last)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return F.relu(x_BCHW + self.body(x_BCHW))


def _conv(inside: int, outside: int, stride: int, kernel: int = 3) -> nn.Sequential:
    conv = nn.Conv2d(inside, outside, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outside), nn.ReLU())


def build_residual(classes: int) -> nn.Sequential:
    """Return a convolutional network of five stages and about 0.5 M parameters.

    It accepts any input size, because it ends in a global average. Its last output stands for none
    of the `classes`.
    """
    body = (_conv(3, 32, 2, 5), _conv(32, 64, 2), _Residual(64), _conv(64, 128, 2), _Residual(128))
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.1), nn.Linear(128, classes + 1))
    return channels_last(nn.Sequential(*body, *head))


def channels_last(net: nn.Sequential) -> nn.Sequential:
    """Convert to the memory layout in which convolutions take a quarter less time on a CPU."""
    moved: nn.Sequential = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return moved


class _GreyAndSmall(nn.Module):
    """Pictures in grey and at `SHRINK` times their size, antialiased."""

    def forward(self, x_B3HW: Tensor) -> Tensor:
        grey_B1HW = luma(x_B3HW)[:, None]
        sides = [round(SHRINK * side) for side in x_B3HW.shape[2:]]
        return F.interpolate(grey_B1HW, sides, mode="bilinear", antialias=True)


class _Mixer(nn.Module):
    """A block of ConvNeXt (arXiv 2201.03545): a wide depthwise convolution, then two pointwise ones."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(width, width, 7, padding=3, groups=width, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.up, self.down = nn.Conv2d(width, 3 * width, 1), nn.Conv2d(3 * width, width, 1)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        out: Tensor = x_BCHW + self.down(F.gelu(self.up(self.norm(self.mix(x_BCHW)))))
        return out


def build_mixer(classes: int, width: int = 64, depth: int = 5) -> nn.Sequential:
    """Return a network that sees no colours, with wide filters and about 0.2 M parameters.

    Its input sizes and outputs are those of `build_residual`.
    """
    stem = (_GreyAndSmall(), nn.Conv2d(1, width, 3, 3), nn.BatchNorm2d(width))
    head = (nn.BatchNorm2d(width), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes + 1))
    return channels_last(nn.Sequential(*stem, *(_Mixer(width) for _ in range(depth)), *head))
