"""Measures against pictures whose answer is known, and against scikit-image."""

import numpy as np
import pytest
import torch
from torch import Tensor

from majolica.data.drawings.make import plan_drawings
from majolica.errors import UserError
from majolica.models.pooling import pool
from majolica.properties.pixels import edge_strength, luma
from majolica.properties.registry import (
    choose_measured,
    find_property,
    is_smooth,
    known_properties,
    measure_all,
    measure_property,
)

GREY = torch.full((2, 3, 8, 8), 0.3)
MEASURED = choose_measured(known_properties())
NOISE = torch.rand(3, 3, 16, 24, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def plain(*colour: float) -> Tensor:
    return torch.tensor(colour, dtype=torch.float32).view(1, 3, 1, 1).expand(1, 3, 8, 8)


def test_all_but_the_subject_can_be_differentiated() -> None:
    """One that raises while it is differentiated would only be followed no longer, and no test of gradients would miss
    it."""
    subject = {"subject_scale", "subject_x", "subject_y"}
    assert {name for name in MEASURED if not is_smooth(name)} == subject


def test_grey_has_its_brightness_and_nothing_else() -> None:
    names = ("brightness", "contrast", "colourfulness", "saturation", "edge_density")
    expected = torch.tensor([[0.3, 0.0, 0.0, 0.0, 0.0]] * 2)
    torch.testing.assert_close(measure_all(names, GREY), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", ["hue", "sharpness", "subject_scale", "subject_x", "subject_y"])
def test_grey_does_not_have(name: str) -> None:
    assert measure_property(name, GREY).isnan().all()


def test_a_chequerboard_has_contrast_one_half() -> None:
    board = torch.tensor([[0.0, 1.0], [1.0, 0.0]]).repeat(4, 4).expand(1, 3, 8, 8)
    assert measure_property("contrast", board).item() == pytest.approx(0.5)


def test_colourfulness_follows_the_published_formula() -> None:
    red, green, blue = NOISE[0]
    rg, yb = red - green, (red + green) / 2 - blue
    expected = (rg.var(correction=0) + yb.var(correction=0)).sqrt() + 0.3 * (rg.mean() ** 2 + yb.mean() ** 2).sqrt()
    assert measure_property("colourfulness", NOISE)[0].item() == pytest.approx(expected.item())


def test_saturation_is_that_of_skimage() -> None:
    from skimage.color import rgb2hsv

    light = 0.2 + 0.8 * NOISE  # darker pixels count less
    expected = [rgb2hsv(image.permute(1, 2, 0).numpy())[..., 1].mean() for image in light]
    np.testing.assert_allclose(measure_property("saturation", light), expected, rtol=1e-6)
    assert measure_property("saturation", plain(0.1, 0.0, 0.0)).item() == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("colour", "degrees"),
    [((1, 0, 0), 0), ((1, 1, 0), 60), ((0, 0.5, 0), 120), ((0.5, 1, 1), 180), ((0.2, 0.2, 0.6), 240), ((1, 0, 1), 300)],
)
def test_the_hue_of_a_plain_colour_is_that_of_its_corner(colour: tuple[float, ...], degrees: float) -> None:
    assert measure_property("hue", plain(*colour)).item() == pytest.approx(degrees, abs=1e-3)


def test_grey_pixels_do_not_turn_the_hue() -> None:
    half = torch.cat((plain(1.0, 0.5, 0.0), plain(0.4, 0.4, 0.4)), 3)
    assert measure_property("hue", half).item() == pytest.approx(
        measure_property("hue", plain(1.0, 0.5, 0.0)).item(), abs=1e-3
    )


def test_edges_are_those_of_skimage() -> None:
    from skimage.filters import sobel

    expected = np.stack([sobel(image.numpy(), mode="nearest") for image in luma(NOISE)])
    np.testing.assert_allclose(edge_strength(NOISE), expected, atol=1e-6)


def test_edge_density_counts_both_sides_of_a_step() -> None:
    step = torch.zeros(1, 3, 8, 16)
    step[..., 10:] = 1
    assert measure_property("edge_density", step).item() == pytest.approx(2 / 16)


def test_sharpness_is_free_of_contrast_and_falls_with_a_blur() -> None:
    sharp, faint = measure_property("sharpness", NOISE), measure_property("sharpness", 0.4 + 0.2 * NOISE)
    torch.testing.assert_close(sharp, faint)
    blurred = torch.nn.functional.avg_pool2d(NOISE, 3, 1, 1, count_include_pad=False)
    assert (measure_property("sharpness", blurred) < 0.7 * sharp).all()


def test_the_subject_is_found_where_it_was_drawn() -> None:
    """The data know the box of every drawing; half a pixel on each side is lost to the grid."""
    design = plan_drawings(names=32, resolution=96)
    samples = [design.sample("heldout", i) for i in range(64)]
    images = torch.stack([torch.from_numpy(sample.image.copy()).permute(2, 0, 1) / 255 for sample in samples])
    left, top, right, bottom = torch.tensor([sample.meta["boxes"][0] for sample in samples]).unbind(1)
    known = {"subject_scale": (right - left).maximum(bottom - top)}
    known |= {"subject_x": (left + right) / 2, "subject_y": (top + bottom) / 2}
    for name, expected in known.items():
        error = (measure_property(name, pool(images, 2)) - expected).abs()
        assert float(error.median()) < 1 / 48 and float(error.quantile(0.9)) < 1.5 / 48, name


def test_a_row_is_measured_as_if_alone() -> None:
    together = measure_all(MEASURED, NOISE)
    alone = torch.cat([measure_all(MEASURED, image[None]) for image in NOISE])
    torch.testing.assert_close(together, alone, rtol=1e-12, atol=1e-12, equal_nan=True)


@pytest.mark.parametrize("name", MEASURED)
def test_drawings_lie_within_the_range(name: str) -> None:
    """The range says what a user may ask for: it holds what pictures have, and is no wider than four times that."""
    design, entry = plan_drawings(names=32, resolution=48), find_property(name)
    images = torch.stack([torch.from_numpy(design.sample("heldout", i).image.copy()) for i in range(64)])
    values = measure_property(name, images.permute(0, 3, 1, 2) / 255)
    values = values[values.isfinite()]
    low, high = values.quantile(torch.tensor([0.05, 0.95])).tolist()
    assert entry.low <= low < high <= entry.high and entry.span <= 4 * (high - low)


def test_an_unknown_property_is_named() -> None:
    with pytest.raises(UserError, match=r"unknown property 'wetness'.*nown are .*brightness"):
        measure_property("wetness", torch.zeros(1, 3, 4, 4))
    with pytest.raises(UserError, match="did you mean 'brightness'"):
        find_property("brightnes")


def test_no_property_is_none() -> None:
    assert measure_all((), NOISE).shape == (3, 0)
