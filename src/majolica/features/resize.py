"""The ways of resizing pictures that feature extractors agree on.

Features, and so Frechet distances, depend on how a picture was brought to the size of the network (Parmar et al., "On
Aliased Resizing and Surprising Subtleties in GAN Evaluation", arXiv 2104.11222). Every way here reproduces that of a
published package, and has a name that ends in the record of a measurement.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from majolica.data.pictures.frame import Shape

ANTIALIASED = "Pillow, bicubic, antialiased, in float32, clipped to 0..255"
LIKE_TENSORFLOW = "bilinear of TensorFlow 1 (corners at pixel 0, not antialiased), in float32"
PLAIN_BILINEAR = "torch, bilinear with align_corners=False (not antialiased), in float32"
REFERENCE = "short side by Pillow, bicubic, antialiased, in uint8; centre cut out"


def check_images(images_B3HW: Tensor) -> None:
    """Raise ValueError if `images_B3HW` is no batch of RGB pictures in uint8."""
    if images_B3HW.dtype != torch.uint8 or images_B3HW.ndim != 4 or images_B3HW.shape[1] != 3:
        found = f"{images_B3HW.dtype} of shape {tuple(images_B3HW.shape)}"
        raise ValueError(f"extractors take uint8 pictures of shape (B, 3, H, W), not {found}")


def resize_antialiased(images_B3HW: Tensor, side: int) -> Tensor:
    """Resize uint8 pictures to `side` x `side` pixels; returns float32 from 0 to 255, `(B, 3, side, side)`, on the CPU.

    Each channel is a float picture of Pillow, so nothing is rounded, and the overshoot of the bicubic filter is
    clipped. It is the resizing of clean-fid, mode "clean".
    """
    planes = images_B3HW.cpu().float().flatten(0, 1).numpy()
    resized_B3SS = torch.empty(len(images_B3HW), 3, side, side)
    targets = resized_B3SS.flatten(0, 1).numpy()  # shares the memory of resized_B3SS

    def resize_plane(i: int) -> None:
        picture = Image.fromarray(planes[i]).resize((side, side), Image.Resampling.BICUBIC)
        np.clip(np.asarray(picture), 0, 255, out=targets[i])

    # Pillow lets other threads run while it resizes.
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        list(pool.map(resize_plane, range(len(planes))))
    return resized_B3SS


def resize_like_tensorflow(images_B3HW: Tensor, side: int) -> Tensor:
    """Resize uint8 pictures as TensorFlow 1 did; returns float32 from 0 to 255, `(B, 3, side, side)`.

    Pixel i of the result lies at i * (old side / new side) of the picture, without the half pixel that later
    libraries add. It is the resizing within the graph of the original FID, and that of torch-fidelity.
    """
    wide_B3HS = _blend_neighbours(images_B3HW.float(), 3, side)
    return _blend_neighbours(wide_B3HS, 2, side)


def _blend_neighbours(x_B3HW: Tensor, dim: int, side: int) -> Tensor:
    """Resize one dimension: each new value lies between two old neighbours, in the proportion of its place."""
    last = x_B3HW.shape[dim] - 1
    scale = torch.tensor(x_B3HW.shape[dim] / side, dtype=torch.float32)
    place_S = torch.arange(side, dtype=torch.float32) * scale
    low_S = place_S.long()
    high_S = (low_S + 1).clamp(max=last)
    part_S = (place_S - low_S).view(-1, *(1,) * (3 - dim)).to(x_B3HW.device)
    low, high = (x_B3HW.index_select(dim, index_S.to(x_B3HW.device)) for index_S in (low_S, high_S))
    return low + (high - low) * part_S


def resize_bilinear(images_B3HW: Tensor, side: int) -> Tensor:
    """Resize uint8 pictures by torch; returns float32 from 0 to 1, `(B, 3, side, side)`.

    The pictures are divided by 255 before they are resized. It is the resizing of pytorch-fid.
    """
    return F.interpolate(images_B3HW.float() / 255, (side, side), mode="bilinear", align_corners=False)


def prepare_reference(image: NDArray[np.uint8], side: int) -> Tensor:
    """Make a reference picture of an upright sRGB picture, H x W x 3; returns uint8, `(3, side, side)`.

    The short side becomes `side` pixels (Pillow, bicubic, antialiased) and the centre is cut out, which is the usual
    protocol for COCO. The long side is rounded down and the place of the cut to the nearest pixel, as torchvision's
    Resize and CenterCrop do.
    """
    height, width = _shape_with_short_side(image.shape[:2], side)
    if (height, width) != image.shape[:2]:
        image = np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC))
    top, left = round((height - side) / 2), round((width - side) / 2)
    return torch.from_numpy(image[top : top + side, left : left + side].copy()).permute(2, 0, 1).contiguous()


def _shape_with_short_side(size: Shape, side: int) -> Shape:
    height, width = size
    if height <= width:
        return side, int(side * width / height)
    return int(side * height / width), side
