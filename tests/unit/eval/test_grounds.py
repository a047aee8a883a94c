"""Whether the colours of grounds are compared by the names in captions, and how far apart they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from majolica.data.drawings.compose import BACKGROUNDS
from majolica.data.drawings.phrases import caption, names_background
from majolica.errors import UserError
from majolica.eval.compositions.foreground import oklab
from majolica.eval.evaluators.grounds import GroundColours, group_by_ground
from majolica.eval.paintings import Paintings
from majolica.eval.protocol import EvalData, Split, Table
from majolica.sampling.request import PaintRequest

WHITE, TEAL = (244, 244, 240), (18, 140, 140)


def plain(colour: tuple[int, int, int], side: int = 8) -> torch.Tensor:
    """A picture with a ground of this colour, and a black thing in the middle."""
    image_3HW = torch.tensor(colour, dtype=torch.uint8)[:, None, None].repeat(1, side, side)
    image_3HW[:, 2:-2, 2:-2] = 0
    return image_3HW


class Painter:
    """Paints every ground in the colour that it has learned for the words."""

    def __init__(self, colours: dict[str, tuple[int, int, int]]) -> None:
        self.colours = colours

    def paint_request(self, request: PaintRequest) -> torch.Tensor:
        return torch.stack(
            [plain(next(c for name, c in self.colours.items() if name in text)) for text in request.prompts]
        )


def known(count: int = 4) -> EvalData:
    """Pictures on white and on teal, and others whose captions do not say the background."""
    grounds = [("white", WHITE), ("teal", TEAL)] * count
    images = [plain(colour) for _, colour in grounds] + [plain((0, 0, 0))]
    captions = [f"a fox on a {name} background" for name, _ in grounds] + ["a white fox"]
    metas = [{"background": name, "names": ["fox"]} for name, _ in grounds] + [{"background": "white"}]
    split = Split(torch.stack(images), captions, metas)
    return EvalData(("fox",), split, split, drawn=True)


def test_a_perfect_painter_is_not_away_at_all() -> None:
    metrics = GroundColours(Paintings(99))(Painter({"white": WHITE, "teal": TEAL}), known()).metrics
    assert metrics == {"ground_difference": 0, "ground_difference_real_halves": 0}


def test_the_difference_is_the_distance_in_oklab_on_average_over_grounds() -> None:
    grey = (122, 122, 120)
    result = GroundColours(Paintings(99))(Painter({"white": grey, "teal": TEAL}), known())
    first, second = (oklab(torch.tensor(c).float().view(1, 3, 1, 1) / 255).flatten() for c in (WHITE, grey))
    assert result.metrics["ground_difference"] == pytest.approx(float((first - second).norm()) / 2, rel=1e-5)
    table = next(part for part in result.parts if isinstance(part, Table))
    assert [row[0] for row in table.rows] == ["white", "teal"]  # the worst first
    assert table.rows[0][3:] == ("0.48, 0.48, 0.47", "0.96, 0.96, 0.94")


def test_only_captions_that_name_the_background_count() -> None:
    data = known()
    assert group_by_ground(data.prompts()) == {"white": [0, 2, 4, 6], "teal": [1, 3, 5, 7]}
    mute = replace(data.combinations, captions=["a fox"] * len(data.combinations))
    lacking = replace(data, combinations=mute)
    assert "No caption names" in GroundColours().explain_lack(lacking)
    with pytest.raises(UserError, match="No caption names the background"):
        GroundColours()(Painter({}), lacking)
    assert "other data" in GroundColours().explain_lack(replace(data, drawn=False))


def test_too_few_pictures_give_no_number() -> None:
    data = known()
    split = replace(data.combinations, captions=["a fox", *data.combinations.captions[1:]])
    first = GroundColours(Paintings(1))(Painter({"fox": WHITE}), replace(data, combinations=split))
    assert first.metrics == {} and "paint more pictures" in first.note


@pytest.mark.parametrize("background", BACKGROUNDS)
def test_backgrounds_are_found_in_every_caption_that_names_them(background: str) -> None:
    rng = np.random.default_rng(0)
    # An orange thing on another ground is no orange ground.
    texts = [caption(rng, [f"{background} fox"], background, named=True) for _ in range(60)]
    assert all(names_background(text, background) for text in texts)
    assert not any(names_background(text, other) for text in texts for other in BACKGROUNDS if other != background)
    texts = [caption(rng, [f"{background} fox"], background, named=False) for _ in range(60)]
    assert not any(names_background(text, background) for text in texts)
