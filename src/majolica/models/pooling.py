"""Pictures at k times the base resolution as a base picture and details, whose mean over every k x k cell is zero.

Shapes: B rows, C channels, H and W the sides in pixels.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def pool(images_BCHW: Tensor, scale: int) -> Tensor:
    """Average-pool by k = `scale`: `(B, C, H, W) -> (B, C, H / k, W / k)`."""
    return images_BCHW if scale == 1 else F.avg_pool2d(images_BCHW, scale)


def details(images_BCHW: Tensor, scale: int) -> Tensor:
    """What pictures have beyond the means of their cells of k x k pixels, `BCHW`."""
    batch, channels, height, width = images_BCHW.shape
    cells = images_BCHW.reshape(batch, channels, height // scale, scale, width // scale, scale)
    return (cells - cells.mean((3, 5), keepdim=True)).view(images_BCHW.shape)


def repeat(images_BCHW: Tensor, scale: int) -> Tensor:
    """Every pixel k x k times: `(B, C, H, W) -> (B, C, k H, k W)`."""
    return images_BCHW if scale == 1 else F.interpolate(images_BCHW, scale_factor=scale, mode="nearest")


def shape_noise(white_BCHW: Tensor, scale: int, detail_noise: float) -> Tensor:
    """Noise for pictures at k = `scale` from unit Gaussian noise, `BCHW`.

    Its means over cells are unit Gaussian noise at the base resolution, and independent of its
    details, which have the standard deviation `detail_noise` where white noise has 1.
    """
    if scale == 1:
        return white_BCHW
    return scale * repeat(pool(white_BCHW, scale), scale) + detail_noise * details(white_BCHW, scale)
