"""Jitter and flip depend on (seed, position) alone, and are what they say they are."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest
import torch

from majolica.data.pictures.transforms import augment, colour_matrices


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(32, 3, 12, 20, generator=torch.Generator().manual_seed(0))


POSITIONS = torch.arange(32) * 7 + 10**12


def test_a_row_is_the_same_alone_and_in_any_batch(images: torch.Tensor) -> None:
    together = augment(images, POSITIONS, 3, True, 0.2)
    for i in (0, 5, 31):
        alone = augment(images[i : i + 1], POSITIONS[i : i + 1], 3, True, 0.2)
        assert torch.equal(alone[0], together[i])
    order = torch.randperm(32, generator=torch.Generator().manual_seed(1))
    assert torch.equal(augment(images[order], POSITIONS[order], 3, True, 0.2), together[order])


def test_the_global_generators_play_no_part(images: torch.Tensor) -> None:
    torch.manual_seed(1)
    np.random.seed(1)
    first = augment(images, POSITIONS, 0, True, 0.1)
    torch.manual_seed(2)
    np.random.seed(2)
    assert torch.equal(augment(images, POSITIONS, 0, True, 0.1), first)


def test_seed_and_position_both_matter(images: torch.Tensor) -> None:
    one = images[:1].expand(32, -1, -1, -1)
    rows = augment(one, POSITIONS, 0, False, 0.1)
    assert len({row.numpy().tobytes() for row in rows}) == 32
    other = augment(one, POSITIONS, 1, False, 0.1)
    assert not any(torch.equal(a, b) for a, b in zip(rows, other, strict=True))


def test_nothing_asked_nothing_done(images: torch.Tensor) -> None:
    assert torch.equal(augment(images, POSITIONS, 0, False, 0.0), images)


def test_flip_turns_about_half_and_leaves_the_rest(images: torch.Tensor) -> None:
    many = images[:1].expand(2000, -1, -1, -1)
    out = augment(many, torch.arange(2000), 0, True, 0.0)
    turned = (out == images[0].flip(-1)).flatten(1).all(1)
    kept = (out == images[0]).flatten(1).all(1)
    assert (turned ^ kept).all()
    assert 0.45 < turned.float().mean() < 0.55


def test_input_is_left_alone_and_output_is_in_range(images: torch.Tensor) -> None:
    before = images.clone()
    out = augment(images, POSITIONS, 0, True, 0.9)
    assert torch.equal(images, before)
    assert out.min() >= 0 and out.max() <= 1
    assert out.shape == images.shape and out.dtype == images.dtype


def test_autocast_does_not_round_colours(images: torch.Tensor) -> None:
    plain = augment(images, POSITIONS, 0, False, 0.1)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(augment(images, POSITIONS, 0, False, 0.1), plain)


def test_brightness_contrast_saturation_are_the_usual_ones(rng: np.random.Generator) -> None:
    """Against the three steps done one after the other (as ImageEnhance, but contrast about mid-grey)."""
    draws = np.append(rng.uniform(-1, 1, (20, 3)), np.zeros((20, 1)), axis=1)
    matrix, offset = colour_matrices(draws, 0.3)
    colour = rng.random((20, 3))
    b, c, s = (1 + 0.3 * draws[:, [i]] for i in range(3))
    expected = colour * b
    grey = expected @ np.array([[0.299], [0.587], [0.114]])
    expected = s * expected + (1 - s) * grey
    expected = c * expected + (1 - c) * 0.5
    assert np.allclose((matrix @ colour[..., None] + offset)[..., 0], expected, atol=1e-3)


def test_hue_turns_and_keeps_luma_and_greys() -> None:
    draws = np.array([[0, 0, 0, 1.0], [0, 0, 0, -1.0]])
    matrix, offset = colour_matrices(draws, 0.2)
    assert np.abs(offset).max() == 0
    assert np.allclose(matrix @ np.ones(3), 1, atol=2e-3)
    luma = np.array([0.299, 0.587, 0.114])
    assert np.allclose(luma @ matrix, luma, atol=2e-3)
    red = np.array([0.6, 0.4, 0.4])
    hues = [colorsys.rgb_to_hsv(*np.clip(m @ red, 0, 1))[0] for m in matrix]
    turns = sorted((h + 0.5) % 1 - 0.5 for h in hues)
    # jitter 0.2 is a twentieth of a circle; YIQ and HSV hues differ a little.
    assert -0.08 < turns[0] < -0.03 and 0.03 < turns[1] < 0.08
