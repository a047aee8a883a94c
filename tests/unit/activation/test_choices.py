"""Whatever is chosen, values and gradients are the same to the last bit."""

from __future__ import annotations

import itertools
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import CheckpointPolicy
from torch.utils.flop_counter import FlopCounterMode

from majolica.activation.apply import apply_choices
from majolica.activation.choices import ATTENTION, CHOICES, Choice, _policy
from majolica.activation.flops import CPU_ATTENTION
from majolica.models.parts import BlockCall


class Restless(nn.Module):
    """Attention, dropout inside and after it, a perceptron: draws random numbers three times."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.up = nn.Linear(width, 2 * width)
        self.down = nn.Linear(2 * width, width)

    def forward(self, x: Tensor, scale: Tensor) -> Tensor:
        q, k, v = self.qkv(F.layer_norm(x, x.shape[-1:])).unflatten(-1, (3, 2, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        plain = F.scaled_dot_product_attention(q, k, v)
        mixed = plain + F.scaled_dot_product_attention(q, k, v, dropout_p=0.2)
        x = x + F.dropout(mixed.transpose(1, 2).flatten(2), 0.3) * scale
        return x + self.down(F.dropout(F.silu(self.up(x)), 0.3))


class Chain(nn.Module):
    def __init__(self, count: int = 3) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Restless() for _ in range(count))

    def forward(self, x: Tensor, scale: Tensor) -> Tensor:
        for block in [*self.blocks, self.blocks[0]]:  # the first one twice
            x = block(x, scale)
        return x


def gradients(choices: tuple[Choice, ...] | None, bf16: bool = False) -> dict[str, Tensor]:
    torch.manual_seed(0)
    model = Chain()
    x, scale = torch.randn(2, 5, 16, requires_grad=True), torch.ones(16, requires_grad=True)
    if choices:
        apply_choices(
            model,
            [BlockCall(str(i), block, "pixel") for i, block in enumerate([*model.blocks, model.blocks[0]])],
            choices,
        )
    torch.manual_seed(1)
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        y = model(x, scale)
    y.square().sum().backward()
    assert x.grad is not None and scale.grad is not None
    after = torch.rand(4)  # the random stream goes on where it would have
    found = {name: value.grad for name, value in model.named_parameters() if value.grad is not None}
    return found | {"y": y.detach(), "x": x.grad, "scale": scale.grad, "after": after}


@pytest.mark.parametrize("bf16", [False, True], ids=["fp32", "bf16"])
@pytest.mark.parametrize(
    "choices",
    [*((choice,) * 4 for choice in CHOICES), *itertools.islice(itertools.permutations(CHOICES, 4), 0, None, 7)],
    ids=" ".join,
)
def test_bit_equal_with_dropout(choices: tuple[Choice, ...], bf16: bool) -> None:
    plain, chosen = gradients(None, bf16), gradients(choices, bf16)
    assert plain.keys() == chosen.keys()
    for name, value in plain.items():
        assert torch.equal(value, chosen[name]), name


def test_undo_leaves_the_block_as_it_was() -> None:
    model = Chain()
    undo = apply_choices(model, [BlockCall("0", model.blocks[0], "pixel")], ["recompute"])
    assert "forward" in vars(model.blocks[0])
    undo()
    assert "forward" not in vars(model.blocks[0]) and not model._forward_pre_hooks


def test_attention_on_cpu_counts_only_with_our_formula() -> None:
    q = torch.randn(2, 3, 8, 16, requires_grad=True)

    def count(mapping: dict[object, object]) -> int:
        with FlopCounterMode(display=False, custom_mapping=mapping) as counter:
            F.scaled_dot_product_attention(q, q, q).sum().backward()
        return int(counter.get_total_flops())

    product = 2 * 2 * 3 * 8 * 8 * 16
    assert count({}) == 0
    assert count(dict(CPU_ATTENTION)) == 2 * product + 5 * product  # backward computes the weights again


def test_attention_that_draws_random_numbers_runs_again() -> None:
    flash = torch.ops.aten._scaled_dot_product_flash_attention.default
    q = torch.zeros(1, 1, 1, 8)
    policy = partial(_policy, ATTENTION, None, flash, q, q, q)
    assert policy() is policy(0.0, False) is policy(dropout_p=0.0) is CheckpointPolicy.MUST_SAVE
    assert policy(0.1, False) is policy(dropout_p=0.1) is CheckpointPolicy.PREFER_RECOMPUTE
