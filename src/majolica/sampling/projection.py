"""Keeping properties to what was asked for while a picture is painted.

A measure is a function of pixels, and most can be differentiated. After each evaluation of the model
the predicted picture is moved to where it measures the requested values, by the smallest change that
does so (Gauss-Newton steps of least norm), and the solver goes on from there. The model sees the
change in its next evaluation, and paints accordingly: asked for another hue, it paints another ground
rather than a tint. This is guidance by a loss on the prediction ("Universal guidance for diffusion
models", arXiv 2302.07121), without a gradient through the model, and it needs no training.

Shapes: B rows, P properties, C colours times pixels of a picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from majolica.errors import UserError
from majolica.properties.registry import find_property, is_smooth

START = 0.3
"""Flow time from which predictions are moved if the model has learned the property. Before, they are means of many
pictures, without contrast or edges."""
EARLY = 0.05
"""The same for a property that the model does not know: nothing else makes it choose a picture that suits."""
ITERATIONS = 6
"""Steps at most for each prediction."""
NEAR = 0.002
"""No further step is made once all pictures are so near, as a share of the ranges."""
LARGEST = 0.25
"""Of a step, as a share of the range of the property, because a measure is hardly linear further away."""


@dataclass(frozen=True)
class Wish:
    """What pictures are to measure."""

    names: tuple[str, ...]
    """Properties that can be differentiated."""
    values_BP: Tensor
    """In their units; NaN where a row does not set them."""
    learned: tuple[bool, ...]
    """Whether the model knows them."""

    def __getitem__(self, rows: slice) -> Wish:
        return Wish(self.names, self.values_BP[rows], self.learned)


def make_wish(values: Mapping[str, Tensor], learned: Sequence[str]) -> Wish | None:
    """The wish for values `(B,)` by property; None where no property can be followed so.

    Raises UserError for a property that the model has not learned and that cannot be followed either.
    """
    names = []
    for name in values:
        if is_smooth(name):
            names.append(name)
        elif name not in learned:
            raise UserError(
                f"this run was not trained with {name}, and pictures cannot be moved towards it while they are painted:"
                f" teach it with `majolica extend RUN --property {name}`"
            )
    if not names:
        return None
    values_BP = torch.stack([values[name].float() for name in names], 1)
    return Wish(tuple(names), values_BP, tuple(name in learned for name in names))


def project(images_B3HW: Tensor, wish: Wish, t: float) -> Tensor:
    """Pictures in [-1, 1] that measure what is wished, as near to the predictions at flow time `t` as possible."""
    chosen = [place for place, learned in enumerate(wish.learned) if t >= (START if learned else EARLY)]
    if not chosen:
        return images_B3HW
    names, values_BP = [wish.names[place] for place in chosen], wish.values_BP[:, chosen]
    with torch.inference_mode(False), torch.enable_grad():
        images_B3HW = images_B3HW.clone()  # of one that is made in inference mode no gradient can be asked for
        for _ in range(ITERATIONS):
            change_B3HW, miss = _step(images_B3HW, names, values_BP.clone())
            if miss < NEAR:
                break
            images_B3HW = images_B3HW + change_B3HW
    return images_B3HW


def _step(images_B3HW: Tensor, names: list[str], values_BP: Tensor) -> tuple[Tensor, float]:
    """A Gauss-Newton step of least norm towards the values, all properties together, and the largest miss before it."""
    pixels = ((images_B3HW.detach() + 1) / 2).clamp(0, 1).requires_grad_()
    gradients, misses = [], []
    for place, name in enumerate(names):
        entry = find_property(name)
        measured_B = entry.measure(pixels)
        miss_B = (values_BP[:, place] - measured_B.detach()) / entry.span
        if entry.circular:
            miss_B = (miss_B + 0.5) % 1 - 0.5
        known_B = miss_B.isfinite()
        (gradient_B3HW,) = torch.autograd.grad(torch.where(known_B, measured_B, 0.0).sum(), pixels)
        gradients.append(torch.where(known_B[:, None], gradient_B3HW.flatten(1) / entry.span, 0.0))
        misses.append(torch.where(known_B, miss_B, 0.0).clamp(-LARGEST, LARGEST))
    jacobian_BPC, miss_BP = torch.stack(gradients, 1), torch.stack(misses, 1)
    gram_BPP = jacobian_BPC @ jacobian_BPC.mT
    # Damped, because properties that say nearly the same cannot be met independently, and a row may lack some.
    diagonal_BP = gram_BPP.diagonal(dim1=1, dim2=2)
    damped_BPP = gram_BPP + torch.diag_embed(1e-3 * diagonal_BP + 1e-9)
    step_BP = torch.linalg.solve(damped_BPP, miss_BP)
    moved_B1C: Tensor = step_BP[:, None] @ jacobian_BPC
    return 2 * moved_B1C.view_as(images_B3HW), float(miss_BP.abs().max())
