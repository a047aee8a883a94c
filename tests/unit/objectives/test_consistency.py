"""The loss on what predicted pictures measure."""

import pytest
import torch
from torch import Tensor

from majolica.models.conditions import Condition
from majolica.objectives.consistency import consistency_loss
from majolica.properties import registry
from majolica.properties.property import Property

NAMES = ("brightness", "hue", "subject_scale")


def asked(values: list[list[float]], has: list[list[bool]]) -> Condition:
    rows = len(values)
    return Condition(torch.zeros(rows, 1), torch.ones(rows, dtype=torch.bool), torch.tensor(values), torch.tensor(has))


def grey(*levels: float) -> Tensor:
    return (2 * torch.tensor(levels) - 1).view(-1, 1, 1, 1).expand(-1, 3, 4, 4).clone().requires_grad_()


def test_it_is_the_squared_difference_in_ranges() -> None:
    images = grey(0.5, 0.7, 0.7, 0.7)
    condition = asked([[0.5, 0.0, 0.3], [0.3, 0.0, 0.3], [0.3, 0.0, 0.3], [0.3, 0.0, 0.3]], [[True] * 3] * 4)
    condition.has_value_BP[2] = False
    loss = consistency_loss(NAMES, images, condition, torch.tensor([0.9, 0.9, 0.9, 0.4]), 0.5)
    # Grey has no hue, the place of edges has no gradient, the third row hides all, the fourth is too noisy.
    assert loss.tolist() == pytest.approx([0, (0.4 / 0.8) ** 2, 0, 0], abs=1e-6)


def test_angles_are_compared_around_the_circle() -> None:
    red = torch.tensor([1.0, -1.0, -1.0]).view(1, 3, 1, 1).expand(2, 3, 4, 4).clone().requires_grad_()
    loss = consistency_loss(
        NAMES, red, asked([[0.0, 350.0, 0.0], [0.0, 30.0, 0.0]], [[False, True, False]] * 2), torch.ones(2), 0.5
    )
    assert loss[0].item() == pytest.approx((10 / 360) ** 2, rel=0.01)
    assert loss[1].item() == pytest.approx((30 / 360) ** 2, rel=0.03)


def test_a_target_that_is_none_gives_no_gradient_and_no_nan() -> None:
    """A grey training picture has no hue, although the prediction has one; and the other way round."""
    red = torch.tensor([0.6, -0.5, -0.5]).view(1, 3, 1, 1).expand(2, 3, 4, 4).clone()
    red[1] = 0.2
    red.requires_grad_()
    condition = asked([[0.4, float("nan"), 0.0], [0.4, 90.0, 0.0]], [[True, False, False], [True, True, False]])
    loss = consistency_loss(NAMES, red, condition, torch.ones(2), 0.5).sum()
    (gradient,) = torch.autograd.grad(loss, red)
    assert loss.isfinite() and gradient.isfinite().all() and gradient.any()


def test_a_step_along_the_gradient_comes_nearer_also_from_a_flat_picture() -> None:
    names = ("brightness", "contrast", "colourfulness", "saturation", "hue", "sharpness")
    condition = asked([[0.6, 0.2, 0.3, 0.4, 200.0, 0.3]], [[True] * 6])
    for images in (
        grey(0.4),
        (torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1).requires_grad_(),
    ):
        before = consistency_loss(names, images, condition, torch.ones(1), 0.5).sum()
        (gradient,) = torch.autograd.grad(before, images)
        assert gradient.isfinite().all() and gradient.any()
        with torch.no_grad():
            stepped = (images - 0.01 * gradient / gradient.norm()).requires_grad_()
        assert consistency_loss(names, stepped, condition, torch.ones(1), 0.5).sum() < before


def test_pixels_without_a_gradient_get_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """The root in a user's measure has no gradient at grey pixels; the adapter would diverge at once."""
    chroma = Property("chroma", 0.0, 1.0, lambda images: (images[:, 0] - images[:, 1]).square().sqrt().mean((1, 2)))
    monkeypatch.setitem(registry._ADDED, "chroma", chroma)
    images = torch.full((1, 3, 4, 4), 0.2)
    images[:, 0, 0] = 0.6
    images.requires_grad_()
    loss = consistency_loss(("chroma",), images, asked([[0.7]], [[True]]), torch.ones(1), 0.5).sum()
    (gradient,) = torch.autograd.grad(loss, images)
    assert gradient.isfinite().all() and gradient[:, 0, 0].all() and not gradient[:, :, 1:].any()
