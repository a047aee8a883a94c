"""From encoded bytes to a uint8 picture of the size that is wanted."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from majolica.data.shards import BadSample

MAX_PIXELS = 64_000_000
"""Larger pictures are refused before they are decoded: a small file can unfold to gigabytes."""


Shape = tuple[int, int]
"""Height and width in pixels."""


@dataclass(frozen=True)
class Decoded:
    """A picture, uint8 RGB, H x W x 3, and the size that its file has."""

    image: NDArray[np.uint8]
    size: Shape


def decode(data: bytes, target: Shape | None = None) -> Decoded:
    """Decode a JPEG, PNG or WebP, transparency over white. Raises BadSample.

    A JPEG of which `target` will be cut may be decoded at 1/2, 1/4 or 1/8, which is quicker, as long as twice the
    target's resolution is left: within 50 dB or better of the full decode once it is scaled down. Without a
    target every pixel is decoded: for references and evaluation.
    """
    import simplejpeg

    try:
        if data[:2] == b"\xff\xd8":
            height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
            _check(width, height)
            if colours in ("CMYK", "YCCK"):
                return _whole(_over_white(Image.open(io.BytesIO(data))))
            # Only powers of two: libjpeg's odd eighths are slower than decoding everything.
            part = _part(height, width, target) if target else 1
            least = {} if part == 1 else {"min_height": -(-height // part), "min_width": -(-width // part)}
            return Decoded(np.asarray(simplejpeg.decode_jpeg(data, colorspace="RGB", **least)), (height, width))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            picture = Image.open(io.BytesIO(data))
            _check(*picture.size)
            return _whole(_over_white(picture))
    except BadSample:
        raise
    except Exception as error:  # decoders raise whatever they like on damaged bytes
        raise BadSample("picture cannot be decoded") from error


def fit(image: NDArray[np.uint8], target: Shape) -> Tensor:
    """Cut the centre in the target's proportions and scale it (bicubic, antialiased): uint8, 3 x H x W, channels last.

    What need not be scaled is a view of `image`.
    """
    height, width = image.shape[:2]
    scale = min(height / target[0], width / target[1])
    cut_height, cut_width = min(height, round(target[0] * scale)), min(width, round(target[1] * scale))
    top, left = (height - cut_height) // 2, (width - cut_width) // 2
    pixels_3HW = torch.from_numpy(image[top : top + cut_height, left : left + cut_width]).permute(2, 0, 1)
    if (cut_height, cut_width) != target:
        pixels_3HW = F.interpolate(pixels_3HW[None], target, mode="bicubic", antialias=True, align_corners=False)[0]
    return pixels_3HW


def _whole(image: NDArray[np.uint8]) -> Decoded:
    return Decoded(image, (image.shape[0], image.shape[1]))


def _part(height: int, width: int, target: Shape) -> int:
    """The largest d of 8, 4, 2, 1 such that 1/d of the picture still has twice the target's resolution."""
    scale = min(height / target[0], width / target[1])
    return next((part for part in (8, 4, 2) if scale / part >= 2), 1)


def _check(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise BadSample("picture is too large")


def _over_white(picture: Image.Image) -> NDArray[np.uint8]:
    if "A" in picture.getbands() or "transparency" in picture.info:
        rgba = picture.convert("RGBA")
        ground = Image.new("RGBA", rgba.size, "white")
        return np.array(Image.alpha_composite(ground, rgba).convert("RGB"))
    return np.array(picture.convert("RGB"))
