"""fp8 is a switch: what it changes, and where it cannot be had."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from majolica.errors import UserError
from majolica.models.majolica import Majolica
from majolica.models.precision import autocast
from majolica.train.precision import prepare_precision
from tiny import TINY

CPU = torch.device("cpu")


def test_fp8_takes_the_blocks_products_and_leaves_names_and_weights() -> None:
    pytest.importorskip("torchao")
    torch.manual_seed(0)
    model, plain = Majolica(TINY), Majolica(TINY)
    prepare_precision(model, "fp8", CPU, emulate=True)
    assert [name for name, _ in model.named_parameters()] == [name for name, _ in plain.named_parameters()]
    assert all(value.dtype == torch.float32 for value in model.parameters())
    changed = {
        name for name, layer in model.named_modules() if type(layer) is not nn.Linear and isinstance(layer, nn.Linear)
    }
    assert changed == {
        name
        for name, layer in plain.named_modules()
        if isinstance(layer, nn.Linear) and ".blocks." in name and not name.startswith("decoder")
    }
    images = torch.rand(2, 3, 16, 16)
    with autocast("fp8", CPU):
        seen = model.see(images)
    seen.sum().backward()  # type: ignore[no-untyped-call]
    with torch.no_grad():
        plain.load_state_dict(model.state_dict())
        torch.testing.assert_close(seen, plain.see(images), atol=0.15, rtol=0)  # unit vectors in 16 dimensions
    assert model.perception.blocks[0].mlp.up.weight.grad.isfinite().all()  # type: ignore[union-attr]


def test_fp8_needs_the_hardware() -> None:
    with pytest.raises(UserError, match="choose bf16"):
        prepare_precision(nn.Module(), "fp8", CPU)


def test_tf32_is_off_where_fp32_was_asked_for() -> None:
    before = torch.get_float32_matmul_precision()
    try:
        prepare_precision(nn.Module(), "bf16", CPU)
        assert torch.get_float32_matmul_precision() == "high"
        prepare_precision(nn.Module(), "fp32", CPU)
        assert torch.get_float32_matmul_precision() == "highest"
    finally:
        torch.set_float32_matmul_precision(before)
