"""Pictures as patches, one for each token: cut on the way in, overlapping on the way out.

Shapes: B rows, C channels, H and W pixels, N tokens in h rows and w columns, P numbers of a token.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def patchify(x_BCHW: Tensor, patch: int) -> Tensor:
    """Cut pictures into patches, row by row: `(B, C, H, W) -> (B, N, P)`, P = C * patch^2."""
    batch, channels, height, width = x_BCHW.shape
    x = x_BCHW.view(batch, channels, height // patch, patch, width // patch, patch)
    tokens = (height // patch) * (width // patch)
    return x.permute(0, 2, 4, 1, 3, 5).reshape(batch, tokens, channels * patch * patch)


def overlap_patches(x_BNP: Tensor, patch: int, grid: tuple[int, int]) -> Tensor:
    """Blend overlapping patches: `(B, N, P) -> (B, C, H, W)`, P = C * (2 * patch)^2.

    A token paints about half a patch beyond its own on every side, with a weight that falls linearly from its centre,
    and every pixel is the weighted mean of what the tokens near it paint. Patches that end at their borders show as a
    grid until training has learned to match neighbours; these cannot (the idea of the lapped transform, Malvar and
    Staelin 1989).

    The picture is float32. The sums are shifted adds, because on a CPU `F.fold` allocates memory for its input where
    its output is needed.
    """
    height, width = grid
    batch, _, numbers = x_BNP.shape
    channels = numbers // (2 * patch) ** 2
    triangle_S = _triangle(patch, x_BNP.device)  # float32, for in bfloat16 the weights would not add up to 1
    x = x_BNP.float().view(batch, height, width, channels, 2 * patch, 2 * patch) * (triangle_S[:, None] * triangle_S)
    x = x.view(batch, height, width, channels, 2, patch, 2, patch).permute(0, 3, 1, 4, 5, 2, 6, 7)
    x = _add_halves(x[:, :, :, 0], x[:, :, :, 1], axis=2)  # B, C, h + 1, patch, w, 2, patch
    x = _add_halves(x[..., 0, :], x[..., 1, :], axis=4)  # B, C, h + 1, patch, w + 1, patch
    rows, columns = (height + 1) * patch, (width + 1) * patch
    beyond = patch // 2
    image_BCHW = x.reshape(batch, channels, rows, columns)
    image_BCHW = image_BCHW[:, :, beyond : beyond + height * patch, beyond : beyond + width * patch]
    total_H, total_W = (_total(cells, patch, x.device) for cells in grid)
    return image_BCHW / (total_H[:, None] * total_W)


def _add_halves(first: Tensor, second: Tensor, axis: int) -> Tensor:
    """Add the second half of each window to the first half of the next one; the axis grows by 1."""
    spare = [0, 0] * (first.ndim - axis - 1)
    return F.pad(first, [*spare, 0, 1]) + F.pad(second, [*spare, 1, 0])


def _triangle(patch: int, device: torch.device) -> Tensor:
    """The weights of a window along one side, `(2 * patch,)`; the last is 0 if the patch is odd."""
    centre = (2 * patch - patch % 2 - 1) / 2
    return 1 - (torch.arange(2 * patch, device=device) - centre).abs() / patch


def _total(cells: int, patch: int, device: torch.device) -> Tensor:
    """The sum of all weights along one side of a picture: 1, but less where it ends."""
    place = (torch.arange(cells * patch, device=device) + 0.5) / patch - 0.5  # 0 at the centre of the first token
    return torch.minimum(1 + place, cells - place).clamp(max=1)
