"""LoRA with which `benchmarks.extend` compares adapters: it takes the place of one in a model."""

import torch
from benchmarks.lora import LoraDial

from majolica.models.conditions import Condition
from majolica.models.majolica import Majolica
from majolica.properties.quantiles import spread_evenly
from majolica.properties.registry import find_property
from tiny import awake


def test_it_begins_as_the_model_was_and_then_follows_its_value(tiny: Majolica, asked: Condition) -> None:
    noisy, t_B = torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(1)), torch.full((3,), 0.5)

    def paint(condition: Condition) -> torch.Tensor:
        with torch.no_grad():
            tokens = condition.tokens_BL
            return tiny.paint(*tiny.perceive(noisy, t_B), tiny.read(tokens), condition, noisy, t_B)[1]

    plain = paint(asked)
    dial = LoraDial("hue", tiny, spread_evenly(find_property("hue")), rank=1)
    tiny.adapters = [dial]  # type: ignore[list-item]
    values_BP = torch.cat((asked.values_BP, torch.tensor([[120.0], [120.0], [0.0]])), 1)
    has_value_BP = torch.cat((asked.has_value_BP, torch.tensor([[True], [True], [False]])), 1)
    set_hue = Condition(asked.tokens_BL, asked.has_text_B, values_BP, has_value_BP)
    assert torch.equal(plain, paint(set_hue))
    awake(dial)
    changed = paint(set_hue)
    assert (changed[:2] - plain[:2]).abs().amax((1, 2, 3)).min() > 1e-3 and torch.equal(changed[2], plain[2])
