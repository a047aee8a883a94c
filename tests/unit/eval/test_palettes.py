"""Palettes are asked for, and measured on what is painted."""

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor

from majolica.eval.evaluators.palettes import PaletteControl, choose_palettes, spell_palette
from majolica.eval.protocol import EvalData
from majolica.sampling.palettes import read_palettes
from majolica.sampling.request import PaintRequest


def test_a_painter_that_obeys_and_one_that_does_not(pipeline: Any, data: EvalData) -> None:
    class Obedient(pipeline):  # type: ignore[misc]
        def paint_request(self, request: PaintRequest) -> Tensor:
            if request.palette is None:
                return torch.zeros(len(request.prompts), 3, 8, 8, dtype=torch.uint8)
            colours_BK3 = read_palettes(request.palette, len(request.prompts))
            assert colours_BK3 is not None
            columns_B3W = colours_BK3.mT.repeat_interleave(2, 2)[..., :8]
            return (columns_B3W[:, :, None] * 255).round().to(torch.uint8).expand(-1, -1, 8, -1)

    images = torch.randint(256, data.heldout.images_B3HW.shape, generator=torch.Generator().manual_seed(0))
    heldout = dataclasses.replace(data.heldout, images_B3HW=images.to(torch.uint8))
    data = dataclasses.replace(data, heldout=heldout)
    evaluator = PaletteControl(prompts=3, palettes=2)
    assert evaluator.count_paintings(data) == 9 and evaluator.explain_lack(data) == ""
    metrics = evaluator(Obedient(), data).metrics
    assert metrics["palette_difference"] < 0.02 < 0.2 < metrics["palette_difference_without"]
    stubborn = evaluator(pipeline(), data)
    assert stubborn.metrics["palette_difference"] == pytest.approx(stubborn.metrics["palette_difference_without"])
    assert stubborn.metrics["palette_named"] == stubborn.metrics["palette_named_without"] == 1.0
    assert len(stubborn.protocol["palettes"]) == 2
    assert set(stubborn.self_judged) == {"palette_named", "palette_named_without"}


def test_pictures_of_few_colours_have_short_palettes_or_none(data: EvalData) -> None:
    """A colour twice is no palette, and one colour neither."""
    images = data.heldout.images_B3HW.clone()
    images[:] = 90
    flat = dataclasses.replace(data, heldout=dataclasses.replace(data.heldout, images_B3HW=images))
    assert "two colours or more" in PaletteControl(palettes=2).explain_lack(flat) and choose_palettes(flat, 2) == []
    images[0, :, :4] = 200
    (palette,) = choose_palettes(flat, len(images))
    assert palette.tolist() == [[pytest.approx(90 / 255)] * 3, [pytest.approx(200 / 255)] * 3]
    assert read_palettes(spell_palette(palette), 1) is not None


def test_a_palette_is_spelt_so_that_it_can_be_read() -> None:
    colours_K3 = torch.tensor([[1.0, 0.0, 0.2], [0.0, 1.0, 1.0]])
    assert spell_palette(colours_K3) == "#ff0033 #00ffff"
    found = read_palettes(spell_palette(colours_K3), 1)
    assert found is not None and torch.equal(found[0, :2], colours_K3)
