"""Attention by plain products is attention."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from majolica.models import layers
from majolica.models.layers import Norm, attend


def inputs(tokens: int, others: int, dtype: torch.dtype) -> list[Tensor]:
    torch.manual_seed(0)
    shapes = [(2, tokens, 3, 16), (2, others, 3, 16), (2, others, 3, 16)]  # as projections leave them
    return [torch.randn(shape).to(dtype).transpose(1, 2).detach().requires_grad_() for shape in shapes]


def both(tokens: int, others: int, mask: Tensor | None, by_products: bool, dtype: torch.dtype) -> list[Tensor]:
    """What comes out and the gradients of what went in."""
    given = inputs(tokens, others, dtype)
    out = attend(*given, mask, by_products)
    (out.float() * torch.linspace(-1, 1, 16)).sum().backward()  # type: ignore[no-untyped-call]
    return [out.detach(), *(x.grad for x in given if x.grad is not None)]


@pytest.mark.parametrize("hidden", [False, True])
def test_products_agree_with_the_fused_kernel(hidden: bool) -> None:
    mask = torch.ones(2, 7, dtype=torch.bool)
    mask[0, 3:] = False
    exact = both(9, 7, mask if hidden else None, False, torch.float32)
    plain = both(9, 7, mask if hidden else None, True, torch.bfloat16)
    assert len(plain) == 4
    for found, wanted in zip(plain, exact, strict=True):
        torch.testing.assert_close(found.float(), wanted, atol=0.05, rtol=0.05)
    if hidden:
        assert not plain[2][0, :, 3:].any() and not plain[3][0, :, 3:].any()  # nothing flows to what is hidden


@pytest.mark.parametrize(
    ("by_products", "tokens", "dtype", "used"),
    [
        (True, 9, torch.bfloat16, True),
        (False, 9, torch.bfloat16, False),
        (True, 9, torch.float32, False),
        (True, 513, torch.bfloat16, False),
    ],
)
def test_products_serve_short_bfloat16_alone(
    monkeypatch: pytest.MonkeyPatch, by_products: bool, tokens: int, dtype: torch.dtype, used: bool
) -> None:
    fused: list[bool] = []
    real = layers.F.scaled_dot_product_attention
    monkeypatch.setattr(
        layers.F, "scaled_dot_product_attention", lambda *a, **k: (fused.append(True), real(*a, **k))[1]
    )
    attend(*inputs(tokens, 7, dtype), None, by_products)
    assert bool(fused) is not used


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("by_products", [True, False])
def test_no_rows_never_reach_the_fused_call(
    monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, by_products: bool
) -> None:
    monkeypatch.setattr(layers.F, "scaled_dot_product_attention", lambda *a, **k: None)  # as torch 2.11 on a GPU
    mask = torch.ones(0, 7, dtype=torch.bool)
    none = [x[:0].detach().requires_grad_() for x in inputs(1, 7, dtype)]
    out = attend(*none, mask, by_products)
    assert out.shape == (0, 3, 1, 16)
    out.sum().backward()
    assert all(x.grad is not None for x in none)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_layer_norm_stays_in_the_precision_of_its_input(dtype: torch.dtype) -> None:
    x = torch.randn(4, 9, 32).to(dtype)
    norm = Norm(32)
    with torch.no_grad():
        norm.weight.copy_(torch.rand(32).to(torch.bfloat16))  # exact in both
    out = norm(x)
    exact = layers.F.layer_norm(x.double(), (32,), norm.weight.double(), eps=1e-6)
    assert out.dtype == dtype
    # Rounded once: half a unit in the last place of the result, and float32's own error.
    assert (out.double() - exact).abs().max() <= torch.finfo(dtype).eps * exact.abs().max() + 1e-6
