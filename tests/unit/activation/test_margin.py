"""The smallest budget that leaves enough is exactly that."""

from __future__ import annotations

import pytest

from majolica.activation.margin import GPU_LIBRARY_BYTES, NO_MARGIN, margin_on


@pytest.mark.parametrize("tensors", [1, 1000, 123_457, 25_000_000_000])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_budget_less_by_one_byte_leaves_too_little(device: str, precision: str, tensors: int) -> None:
    margin = margin_on(device, precision, calls=12)
    budget = margin.budget_for(tensors)
    assert margin.available(budget) >= tensors > margin.available(budget - 1)
    assert budget > 1.02 * tensors + (GPU_LIBRARY_BYTES if device == "cuda" else 0)


def test_no_margin_leaves_all() -> None:
    assert NO_MARGIN.available(77) == NO_MARGIN.budget_for(77) == 77
