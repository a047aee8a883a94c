"""What a model says of its structure is what a step does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import nn

from majolica.activation.step import build_inputs
from majolica.config.loss import LossConfig
from majolica.config.run import RunConfig
from majolica.config.training import TrainConfig
from majolica.models.majolica import Majolica
from majolica.models.parts import HEAD, hidden_matrices, parameters_by_part
from tiny import TINY


@pytest.fixture
def model() -> Majolica:
    return Majolica(TINY)


@pytest.mark.parametrize("scales", [(), (2,), (2, 4)])
def test_blocks_are_called_in_the_order_in_which_they_are_told(scales: tuple[int, ...], model: Majolica) -> None:
    loss = LossConfig(fine_share=0.5 if scales else 0.0, fine_scales=scales or (2,))
    rows, _ = build_inputs(RunConfig(model=TINY, loss=loss, train=TrainConfig(batch=8, processes=1)))
    called: list[nn.Module] = []
    told = model.blocks(scales)
    for block in {call.block for call in told}:
        block.register_forward_hook(lambda block, inputs, _: called.extend([block] * (len(inputs[0]) > 0)))
    with torch.no_grad():
        model(rows)
    assert called == [call.block for call in told]
    assert len({call.name for call in told}) == len(told)


def test_no_block_is_left_out(model: Majolica) -> None:
    stacks = [child for child in model.modules() if isinstance(child, nn.ModuleList)]
    assert {block for stack in stacks for block in stack} == {call.block for call in model.blocks()}


def test_muon_takes_the_matrices_of_transformer_blocks_and_no_other_parameter(model: Majolica) -> None:
    assert hidden_matrices(model) == set(matrices_by_name(model))


def matrices_by_name(model: Majolica) -> Iterator[str]:
    """The same by names, which only a test may know."""
    for name, value in model.named_parameters():
        if value.ndim == 2 and ".blocks." in name and "offset" not in name and not name.startswith("decoder"):
            yield name


def test_parts_share_out_all_parameters(model: Majolica) -> None:
    parts = parameters_by_part(model)
    told = [id(value) for values in parts.values() for value in values]
    assert sorted(told) == sorted(map(id, model.parameters()))
    assert {id(model.logit_scale), id(model.to_window.weight)} <= {id(value) for value in parts[HEAD]}


def test_a_part_without_weights_is_left_out(model: Majolica, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = model.parts()
    monkeypatch.setattr(model, "parts", lambda: whole | {"decoder": nn.Identity()})
    assert "decoder" not in parameters_by_part(model)
