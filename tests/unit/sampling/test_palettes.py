"""Palettes as callers give them."""

import warnings

import pytest
import torch

from majolica.errors import Notice, UserError
from majolica.properties.palette import palette_distance
from majolica.sampling.palettes import read_palettes, take_palettes
from majolica.sampling.pipeline import Pipeline
from majolica.sampling.request import PaintRequest

WARM = "tomato, #fff1e6 gold"


def test_names_and_numbers_are_colours() -> None:
    found_BK3 = read_palettes(WARM, 2)
    assert found_BK3 is not None and found_BK3.shape == (2, 5, 3)
    expected = torch.tensor([[255, 99, 71], [255, 241, 230], [255, 215, 0]]) / 255
    torch.testing.assert_close(found_BK3[1, :3], expected)
    assert found_BK3[:, 3:].isnan().all()
    assert read_palettes(None, 2) is None


def test_each_picture_may_have_its_own() -> None:
    both = read_palettes(["red blue", "white black"], 2)
    assert both is not None and both[1, 0].tolist() == [1, 1, 1]
    assert take_palettes(["red blue", "white black"], 2, slice(1, 2)) == ["white black"]
    assert take_palettes("red blue", 2, slice(1, 2)) == ["red blue"]
    request = PaintRequest(["a", "b"], palette=["red blue", "white black"])
    assert request.part(slice(1, 2)).palette == ["white black"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("red", r"the palette 'red' has 1 colour: give 2 to 5"),
        ("red " * 6, r"has 6 colours: give 2 to 5"),
        ("red, bleu", r"has 'bleu', which is no colour: give names such as teal, or #rrggbb"),
        ("red, #12", r"has '#12', which is no colour"),
        ("#ff000080, white", r"has '#ff000080', which is no colour"),
        ("white #FFF", r"the palette 'white #FFF' has a colour twice: give each once"),
        (["red blue"] * 3, r"there are 3 palettes for 2 prompts: give one for all, or one for each"),
        ([("red", "blue")], r"a palette is \('red', 'blue'\): give colours such as"),
        (7, r"a palette is 7: give colours such as"),
    ],
)
def test_what_is_no_palette_is_one_line(given: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_palettes(given, 2)  # type: ignore[arg-type]


def test_pictures_are_painted_in_the_colours(pipeline: Pipeline) -> None:
    prompts, wanted_BK3 = ["a fox", "an owl"], read_palettes(WARM, 2)
    assert wanted_BK3 is not None
    with warnings.catch_warnings():
        warnings.simplefilter("error", Notice)
        painted, plain = (pipeline.paint(prompts, steps=8, palette=palette) for palette in (WARM, None))
    away, before = (palette_distance(images / 255, wanted_BK3[:, :3]).mean() for images in (painted, plain))
    assert away < 0.05 < before


def test_a_picture_keeps_its_palette_in_a_batch_and_in_two_palettes_one_prompt_is_two_pictures(
    pipeline: Pipeline,
) -> None:
    palettes = ["red blue", "white black teal"]
    with warnings.catch_warnings():
        warnings.simplefilter("error", Notice)
        both = pipeline.paint(["a fox"] * 2, steps=4, palette=palettes, seed=3)
    alone = pipeline.paint("a fox", steps=4, palette=palettes[1], seed=3)
    assert torch.equal(both[1], alone[0]) and not torch.equal(both[0], both[1])


def test_a_palette_needs_projection(pipeline: Pipeline) -> None:
    with pytest.raises(UserError, match="a palette is followed by projection alone"):
        pipeline.paint("a fox", steps=2, palette=WARM, project=False)
