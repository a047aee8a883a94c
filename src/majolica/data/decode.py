"""From encoded bytes to a square uint8 picture."""

from __future__ import annotations

import io
import warnings

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from majolica.data.shards import BadSample

MAX_PIXELS = 64_000_000
"""Larger pictures are refused before they are decoded: a small file can unfold to gigabytes."""


def decode(data: bytes) -> NDArray[np.uint8]:
    """Decode a JPEG, PNG or WebP to uint8 RGB, H x W x 3, transparency over white. Raises BadSample."""
    import simplejpeg

    try:
        if data[:2] == b"\xff\xd8":
            height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
            _check(width, height)
            if colours in ("CMYK", "YCCK"):
                return _over_white(Image.open(io.BytesIO(data)))
            return np.asarray(simplejpeg.decode_jpeg(data, colorspace="RGB"), dtype=np.uint8)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            picture = Image.open(io.BytesIO(data))
            _check(*picture.size)
            return _over_white(picture)
    except BadSample:
        raise
    except Exception as error:  # decoders raise whatever they like on damaged bytes
        raise BadSample("picture cannot be decoded") from error


def square(image: NDArray[np.uint8], resolution: int) -> Tensor:
    """Cut the central square and scale it to `resolution`: uint8 tensor, 3 x H x W (bicubic, antialiased)."""
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    pixels_3HW = torch.from_numpy(image[top : top + side, left : left + side]).permute(2, 0, 1)
    if side == resolution:
        return pixels_3HW.contiguous()
    size = (resolution, resolution)
    return F.interpolate(pixels_3HW[None], size, mode="bicubic", antialias=True, align_corners=False)[0].contiguous()


def _check(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise BadSample("picture is too large")


def _over_white(picture: Image.Image) -> NDArray[np.uint8]:
    if "A" in picture.getbands() or "transparency" in picture.info:
        rgba = picture.convert("RGBA")
        ground = Image.new("RGBA", rgba.size, "white")
        return np.array(Image.alpha_composite(ground, rgba).convert("RGB"))
    return np.array(picture.convert("RGB"))
