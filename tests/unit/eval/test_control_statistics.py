"""Statistics of control on values whose answer is known."""

import numpy as np
import pytest
import torch

from majolica.eval.control.cross_talk import excess, measure_cross_talk, measure_own_cross_talk
from majolica.eval.control.statistics import (
    bootstrap,
    circular_correlation,
    correlate,
    deviation,
    share_of_right_steps,
)
from majolica.eval.control.sweep import Sweep
from majolica.eval.protocol import Split
from majolica.properties.registry import find_property

BRIGHTNESS, HUE = find_property("brightness"), find_property("hue")
RNG = np.random.default_rng(0)


def test_circular_correlation_is_that_of_all_pairs() -> None:
    """The definition by pairs (Fisher and Lee 1983, equation 2.1), which the closed form must equal."""
    a = RNG.uniform(0, 2 * np.pi, 40)
    b = a + RNG.normal(0, 0.7, 40)
    x, y = (np.sin(v[:, None] - v[None]) for v in (a, b))
    expected = (x * y).sum() / np.sqrt((x**2).sum() * (y**2).sum())
    assert circular_correlation(a, b) == pytest.approx(expected)


def test_a_turned_circle_still_correlates_and_a_mirrored_one_against() -> None:
    angles = np.arange(0, 360, 40.0)
    assert correlate(angles, (angles + 100) % 360, HUE) == pytest.approx(1)
    assert correlate(angles, -angles, HUE) == pytest.approx(-1)
    assert correlate(angles, np.full(9, 7.0), HUE) == 0


def test_pictures_without_a_value_are_left_out_of_rho_and_miss_by_the_most() -> None:
    requested, measured = [0.1, 0.5, 0.9], [0.1, np.nan, 0.9]
    assert correlate(requested, measured, BRIGHTNESS) == pytest.approx(1)
    assert deviation(requested, measured, BRIGHTNESS).tolist() == [0, 1, 0]
    assert deviation([90], [np.nan], HUE).tolist() == [0.5]


def test_the_difference_of_angles_is_the_short_way() -> None:
    assert deviation([350, 10, 0], [10, 350, 180], HUE) == pytest.approx([20 / 360, 20 / 360, 0.5])
    assert deviation([0.1], [0.5], BRIGHTNESS) == pytest.approx([0.4 / 0.8])


def test_right_steps() -> None:
    assert share_of_right_steps([[0.1, 0.3], [0.2, 0.2], [0.3, 0.4]], BRIGHTNESS) == 0.75
    assert share_of_right_steps([[300.0], [20.0], [100.0], [90.0]], HUE) == pytest.approx(2 / 3)


def test_the_interval_of_a_mean_is_that_of_theory() -> None:
    values = RNG.normal(0, 1, 400)
    low, high = bootstrap(lambda chosen: float(values[chosen].mean()), 400, rounds=2000)
    assert (high - low) / 2 == pytest.approx(1.96 / 20, rel=0.1)
    assert low < values.mean() < high


def grey(levels: np.ndarray) -> torch.Tensor:
    """Plain grey pictures with a darker half, whose contrast is a quarter of their brightness."""
    image = torch.from_numpy(levels).float()[..., None, None, None].expand(*levels.shape, 3, 8, 8).clone()
    image[..., :4] *= 0.6
    return (image * 255).round().to(torch.uint8)


def test_cross_talk_of_the_data_is_subtracted() -> None:
    levels = np.linspace(0.3, 0.9, 7)
    dial = Sweep("brightness", levels * 0.8, grey(np.stack([levels, levels], 1)))
    idle = Sweep("contrast", np.linspace(0.1, 0.3, 7), grey(np.full((7, 2), 0.5)))
    painted = measure_cross_talk([dial, idle])
    # Contrast is levels * 0.2 and brightness levels * 0.8; the ranges are 0.3 and 0.8.
    assert painted == pytest.approx(np.array([[1, 0.25 * 0.8 / 0.3], [0, 0]]), abs=0.02)
    pictures = Split(grey(levels), [""] * 7, [{"names": ["fox"]}] * 7)
    own = measure_own_cross_talk(("brightness", "contrast"), pictures)
    assert own[0, 1] == pytest.approx(painted[0, 1], abs=0.02)
    beyond = excess(painted, own)
    assert abs(beyond[0, 1]) < 0.02 and np.isnan(np.diag(beyond)).all()


def test_things_of_different_brightness_are_not_taken_for_cross_talk() -> None:
    """Within one thing nothing moves together, though dark things have little contrast."""
    levels = np.repeat([0.2, 0.9], 4)
    pictures = Split(grey(levels), [""] * 8, [{"names": [name]} for name in ["owl"] * 4 + ["fox"] * 4])
    assert np.isnan(measure_own_cross_talk(("brightness", "contrast"), pictures)[0, 1])


def test_what_a_hue_moves_is_the_height_of_its_wave() -> None:
    angles = np.arange(0, 360, 30.0)
    light = 0.5 + 0.1 * np.cos(np.deg2rad(angles))
    image = torch.from_numpy(light).float()[:, None, None, None, None].expand(12, 1, 3, 8, 8)
    hue = Sweep("hue", angles, (image * 255).round().to(torch.uint8))
    bright = Sweep("brightness", np.linspace(0.4, 0.6, 12), hue.images_VB3HW)
    found = measure_cross_talk([hue, bright])
    assert found[0, 1] == pytest.approx(0.2 / 0.8, abs=0.01)
    assert np.isnan(found[:, 0]).all()
