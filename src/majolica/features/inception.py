"""Inception v3 as the Frechet Inception distance uses it."""

from __future__ import annotations

from torch import Tensor, nn

from majolica.features.inception_blocks import (
    ConvNorm,
    InceptionBlock,
    InceptionBranch,
    average_neighbours,
    block_a,
    block_b,
    block_c,
    block_d,
    block_e,
    halve,
    largest_neighbour,
)

WIDTH = 2048
"""How many features a picture has."""
CLASSES = 1008


class Inception(nn.Module):
    """The network of the TensorFlow graph of 2015-12-05 (Szegedy et al., arXiv 1512.00567).

    It differs from torchvision's Inception v3: averages at the border leave out the padding, the last block takes the
    largest neighbour where the paper has the average, and there are 1008 classes. State dicts of torch-fidelity and
    pytorch-fid fit it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = ConvNorm(3, 32, (3, 3), stride=2, pad=False)
        self.Conv2d_2a_3x3 = ConvNorm(32, 32, (3, 3), pad=False)
        self.Conv2d_2b_3x3 = ConvNorm(32, 64, (3, 3))
        self.Conv2d_3b_1x1 = ConvNorm(64, 80, (1, 1))
        self.Conv2d_4a_3x3 = ConvNorm(80, 192, (3, 3), pad=False)
        width = 192
        blocks = _list_blocks()
        for name, branches in blocks:
            block = InceptionBlock(width, branches)
            self.add_module(name, block)
            width = block.width
        self.block_names = tuple(name for name, _ in blocks)
        self.fc = nn.Linear(width, CLASSES)

    def forward(self, x_B3SS: Tensor) -> Tensor:
        """Return the features `(B, 2048)` of prepared pictures, `(B, 3, 299, 299)` from about -1 to 1."""
        x_BCHW = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x_B3SS)))
        x_BCHW = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(halve(x_BCHW)))
        x_BCHW = halve(x_BCHW)
        for name in self.block_names:
            x_BCHW = self.get_submodule(name)(x_BCHW)
        return nn.functional.adaptive_avg_pool2d(x_BCHW, 1).flatten(1)

    def logits(self, features_BD: Tensor) -> Tensor:
        """Return the logits `(B, 1008)` of features; without the bias, as the Inception score takes them."""
        return features_BD @ self.fc.weight.T


def _list_blocks() -> list[tuple[str, list[InceptionBranch]]]:
    return [
        ("Mixed_5b", block_a(32)),
        ("Mixed_5c", block_a(64)),
        ("Mixed_5d", block_a(64)),
        ("Mixed_6a", block_b()),
        ("Mixed_6b", block_c(128)),
        ("Mixed_6c", block_c(160)),
        ("Mixed_6d", block_c(160)),
        ("Mixed_6e", block_c(192)),
        ("Mixed_7a", block_d()),
        ("Mixed_7b", block_e(average_neighbours)),
        ("Mixed_7c", block_e(largest_neighbour)),
    ]
