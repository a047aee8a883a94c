"""What a convolution takes for a moment is what the allocator says it takes."""

from __future__ import annotations

import pytest
import torch
from benchmarks.allocator import measure_peak
from torch import Tensor

from majolica.activation.workspace import workspace

GEOMETRY = ([1, 1], [1, 1], [1, 1], False, [0, 0], 1)
aten = torch.ops.aten


def pictures(dtype: torch.dtype, side: int, kernel: int) -> tuple[Tensor, Tensor]:
    x = torch.randn(4, 6, side, side).to(dtype, memory_format=torch.channels_last)
    return x, torch.randn(16, 6, kernel, kernel).to(dtype)


@pytest.mark.skipif(torch.ops.mkldnn._is_mkldnn_bf16_supported(), reason="this CPU convolves bfloat16 in oneDNN")
@pytest.mark.parametrize("side", [16, 33])
def test_a_convolution_without_onednn_unfolds_its_input(side: int) -> None:
    x, weight = pictures(torch.bfloat16, side, 3)
    forward = (x, weight, None, *GEOMETRY)
    out = aten.convolution(*forward)
    backward = (torch.randn_like(out), x, weight, None, *GEOMETRY, [True, True, False])
    extra = measure_peak(lambda: aten.convolution(*forward)) - out.nbytes
    assert workspace(aten.convolution.default, forward) == pytest.approx(extra, rel=0.01)
    extra = measure_peak(lambda: aten.convolution_backward(*backward)) - x.nbytes - weight.nbytes
    assert workspace(aten.convolution_backward.default, backward) == pytest.approx(extra, rel=0.01)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_product_may_hold_its_result_in_float32(dtype: torch.dtype) -> None:
    left, right = torch.randn(32768, 16).to(dtype), torch.randn(16, 32).to(dtype)
    products = [
        (aten.mm.default, (left, right)),
        (aten.addmm.default, (torch.zeros(32, dtype=dtype), left, right)),
        (aten.bmm.default, (left.view(4, 8192, 16), right.expand(4, 16, 32).contiguous())),
    ]
    for product, args in products:
        result = product(*args)
        extra = measure_peak(lambda product=product, args=args: product(*args)) - result.nbytes
        assert workspace(product, args) == pytest.approx(extra, abs=2**16), product  # the library's own buffers


def test_nothing_is_unfolded_by_onednn_or_for_a_single_pixel() -> None:
    x, weight = pictures(torch.float32, 16, 3)
    assert workspace(aten.convolution.default, (x, weight, None, *GEOMETRY)) == 0
    x, weight = pictures(torch.bfloat16, 16, 1)
    single = ([1, 1], [0, 0], [1, 1], False, [0, 0], 1)
    assert workspace(aten.convolution.default, (x, weight, None, *single)) == 0
    assert workspace(aten.relu.default, (weight,)) == 0
