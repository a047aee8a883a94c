"""The temporary memory of operators, where it can be computed."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from majolica.models.precision import has_bf16

_aten = torch.ops.aten
_FACTORS = {_aten.mm.default: (0, 1), _aten.bmm.default: (0, 1), _aten.addmm.default: (1, 2)}
"""Where the two factors stand among the arguments of a matrix product."""


def workspace(operator: Any, args: tuple[Any, ...]) -> int:
    """Return the bytes that `operator` allocates and frees before it returns; 0 if unknown.

    It is known for a CPU without bfloat16 instructions. With AVX-512, oneDNN adds up products in
    float32 and holds one whole matrix of them. Without it, convolutions unfold their whole input into
    columns of shape `(B, C * kernel, pixels of the output)`. It is not known for GPU kernels, which
    choose their workspace when they run.
    """
    if operator in _FACTORS:
        left, right = (args[index] for index in _FACTORS[operator])
        return _float32_sum_bytes(left, right)
    if operator is _aten.convolution.default:
        image_BCHW, weight, bias, *geometry = args
    elif operator is _aten.convolution_backward.default:
        _, image_BCHW, weight, _, *geometry = args
        bias, geometry = None, geometry[:6]
    else:
        return 0
    if "Slow" not in str(torch._C._select_conv_backend(image_BCHW, weight, bias, *geometry)):
        return 0
    stride, padding, dilation, *_ = geometry
    return _column_bytes(image_BCHW, weight, stride, padding, dilation)


def _float32_sum_bytes(left: Tensor, right: Tensor) -> int:
    if left.dtype != torch.bfloat16 or left.device.type != "cpu" or has_bf16(left.device):
        return 0
    if not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return 0
    return 4 * left.shape[-2] * right.shape[-1]  # of a batch, one matrix at a time


def _column_bytes(
    image_BCHW: Tensor, weight: Tensor, stride: list[int], padding: list[int], dilation: list[int]
) -> int:
    kernel = weight.shape[2:]
    if all(side == 1 for side in kernel) and not any(padding):
        return 0  # the image is used as its own columns
    sides = zip(image_BCHW.shape[2:], kernel, stride, padding, dilation, strict=True)
    pixels = math.prod((n + 2 * pad - gap * (k - 1) - 1) // step + 1 for n, k, step, pad, gap in sides)
    batch, channels = image_BCHW.shape[:2]
    unfolded = batch * channels * math.prod(kernel) * pixels
    return (unfolded + weight.numel()) * image_BCHW.element_size()  # the weights are copied into the same layout
