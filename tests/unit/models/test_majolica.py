"""What the model promises, exactly."""

import dataclasses

import torch

from majolica.models.conditions import Condition
from majolica.models.interpolation import Window
from majolica.models.majolica import Majolica, Rows
from majolica.models.pooling import pool, repeat
from tiny import TINY, awake


def paint(model: Majolica, asked: Condition, scale: int = 1) -> torch.Tensor:
    side = model.config.resolution * scale
    pixels = torch.randn(3, 3, side, side, generator=torch.Generator().manual_seed(2))
    t = torch.tensor([0.1, 0.5, 0.9])
    base = pool(pixels, scale)
    tokens, time = model.perceive(base, t)
    text = model.read(asked.tokens_BL)
    with torch.no_grad():
        grid, clean = model.paint(tokens, time, text, asked, base, t)
        window = Window.whole(3, scale, pixels.device)
        return repeat(clean, scale) + model.predict_details(grid, clean, pixels, t, window)


def test_a_caption_never_influences_the_image_embedding(tiny: Majolica, asked: Condition) -> None:
    images = torch.rand(3, 3, 16, 16) * 2 - 1
    rows = Rows(images, torch.ones(3), asked, (), 0)
    other = dataclasses.replace(asked, tokens_BL=asked.tokens_BL.flip(0))
    first, second = tiny(rows), tiny(dataclasses.replace(rows, condition=other))
    assert torch.equal(first.image_CE, second.image_CE)
    assert not torch.equal(first.text_CE, second.text_CE)


def test_captions_and_dials_do_influence_the_painting(tiny: Majolica, asked: Condition) -> None:
    plain = paint(tiny, asked)
    reworded = dataclasses.replace(asked, tokens_BL=asked.tokens_BL.flip(0))
    dialled = dataclasses.replace(asked, has_value_BP=torch.ones(3, 3, dtype=torch.bool))
    assert not torch.equal(plain, paint(tiny, reworded))
    assert not torch.equal(plain, paint(tiny, dialled))


def test_a_missing_property_is_bit_equal_to_one_never_declared(tiny: Majolica, asked: Condition) -> None:
    smaller = awake(Majolica(dataclasses.replace(TINY, properties=("brightness", "contrast")))).eval()
    weights = tiny.state_dict()
    for name in ("conditions.kind", "conditions.offsets"):
        weights[name] = weights[name][:2]
    smaller.load_state_dict(weights)
    present = torch.tensor([[True, False, False]] * 3)
    with_three = dataclasses.replace(asked, has_value_BP=present)
    with_two = Condition(asked.tokens_BL, asked.has_text_B, asked.values_BP[:, :2], present[:, :2])
    assert torch.equal(paint(tiny, with_three), paint(smaller, with_two))


def test_the_value_of_a_missing_property_cannot_leak(tiny: Majolica, asked: Condition) -> None:
    odd = dataclasses.replace(asked, values_BP=torch.full((3, 3), float("nan")))
    assert torch.equal(paint(tiny, asked), paint(tiny, odd))


def test_a_dropped_caption_cannot_leak(tiny: Majolica, asked: Condition) -> None:
    silent = dataclasses.replace(asked, has_text_B=torch.zeros(3, dtype=torch.bool))
    reworded = dataclasses.replace(silent, tokens_BL=asked.tokens_BL.flip(0))
    assert torch.equal(paint(tiny, silent), paint(tiny, reworded))


def test_one_set_of_weights_paints_every_resolution(tiny: Majolica, asked: Condition) -> None:
    assert paint(tiny, asked, 1).shape == (3, 3, 16, 16)
    assert paint(tiny, asked, 2).shape == (3, 3, 32, 32)
    assert paint(tiny, asked, 4).shape == (3, 3, 64, 64)


def test_decoder_shapes_depend_on_neither_patch_nor_resolution() -> None:
    def shapes(resolution: int, patch: int) -> dict[str, torch.Size]:
        config = dataclasses.replace(TINY, resolution=resolution, patch=patch)
        return {name: value.shape for name, value in Majolica(config).decoder.state_dict().items()}

    assert shapes(16, 4) == shapes(64, 8) == shapes(48, 6)


def test_other_shapes_of_picture_need_no_other_weights(tiny: Majolica) -> None:
    wide = torch.rand(2, 3, 8, 32)
    assert tiny.see(wide).shape == (2, 16)
