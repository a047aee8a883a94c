"""Converts painted pictures to the form that the report shows."""

from __future__ import annotations

import io

import torch
from PIL import Image
from torch import Tensor

from majolica.html.figures import FigurePicture, data_url


def figure_picture(image_3HW: Tensor, caption: str = "", verdict: str = "", right: bool | None = None) -> FigurePicture:
    """Return a uint8 tensor `3HW` as a picture of the report, without loss."""
    height, width = image_3HW.shape[1:]
    return FigurePicture(data_url(encode_png(image_3HW), "png"), width, height, caption, verdict, right)


def encode_png(image_3HW: Tensor) -> bytes:
    """Return a uint8 tensor `3HW` as a PNG file. Raises ValueError for any other tensor."""
    if image_3HW.dtype != torch.uint8 or image_3HW.ndim != 3 or image_3HW.shape[0] != 3:
        raise ValueError(f"a uint8 3HW picture is needed, got {image_3HW.dtype} {tuple(image_3HW.shape)}")
    out = io.BytesIO()
    Image.fromarray(image_3HW.permute(1, 2, 0).contiguous().numpy()).save(out, "PNG", optimize=True)
    return out.getvalue()
