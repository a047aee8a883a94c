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

from collections.abc import Sequence

import torch
from torch import Tensor

from majolica.properties.palette import move_to_palettes
from majolica.properties.registry import find_property, is_smooth
from majolica.sampling.wish import EARLY, Wish

ITERATIONS = 6
"""Steps at most for each prediction."""
NEAR = 0.002
"""A picture is moved no further once it is so near to all its values, as a share of their ranges."""
LARGEST = 0.25
"""Of a step, as a share of the range of the property, because a measure is hardly linear further away."""


SLACK, HELD_SLACK = 1e-3, 0.1
"""How much a step gives way for a property that was asked for, and for one that is held."""


def project(images_B3HW: Tensor, wish: Wish, t: float) -> Tensor:
    """Pictures in [-1, 1] that measure what is wished, as near to the predictions at flow time `t` as possible.

    Their colours are moved to the palette first, and then their pixels along the gradients.
    """
    if wish.palettes_BK3 is not None and t >= EARLY:
        with torch.autocast(images_B3HW.device.type, enabled=False):
            images_B3HW = move_to_palettes((images_B3HW.float() + 1) / 2, wish.palettes_BK3) * 2 - 1
    wish = wish.at(t).choose(is_smooth)
    if not wish.names:
        return images_B3HW
    slack_P = torch.tensor([HELD_SLACK if held else SLACK for held in wish.held], device=images_B3HW.device)
    # Beyond what the model predicted and what a screen shows a change says nothing; and products of gradients need more
    # than the precision of bfloat16.
    least_B3HW, most_B3HW = images_B3HW.clamp(max=-1), images_B3HW.clamp(min=1)
    device = images_B3HW.device.type
    with torch.inference_mode(False), torch.enable_grad(), torch.autocast(device, enabled=False):
        images_B3HW = images_B3HW.float().clone()  # of one that is made in inference mode no gradient can be asked for
        least_B3HW, most_B3HW = least_B3HW.float().clone(), most_B3HW.float().clone()
        for _ in range(ITERATIONS):
            change_B3HW, miss_B = _step(images_B3HW, wish.names, wish.values_BP.clone(), slack_P.clone())
            far_B = miss_B >= NEAR  # row by row, because no picture depends on those beside it
            if not bool(far_B.any()):
                break
            moved_B3HW = (images_B3HW + change_B3HW).clamp(least_B3HW, most_B3HW)
            images_B3HW = torch.where(far_B[:, None, None, None], moved_B3HW, images_B3HW)
    return images_B3HW


def _step(images_B3HW: Tensor, names: Sequence[str], values_BP: Tensor, slack_P: Tensor) -> tuple[Tensor, Tensor]:
    """A Gauss-Newton step of least norm towards all values together, and the largest miss of each row before it."""
    pixels = ((images_B3HW.detach() + 1) / 2).clamp(0, 1).requires_grad_()
    gradients, misses = [], []
    for place, name in enumerate(names):
        entry = find_property(name)
        measured_B = entry.measure(pixels)
        miss_B = entry.miss(values_BP[:, place], measured_B.detach())
        known_B = miss_B.isfinite()
        (gradient_B3HW,) = torch.autograd.grad(torch.where(known_B, measured_B, 0.0).sum(), pixels)
        # A root in a user's measure has no gradient at 0: such a pixel is not moved, and the others are.
        gradient_BC = gradient_B3HW.flatten(1).nan_to_num(0.0, 0.0, 0.0) / entry.span
        gradients.append(torch.where(known_B[:, None], gradient_BC, 0.0))
        misses.append(torch.where(known_B, miss_B, 0.0).clamp(-LARGEST, LARGEST))
    jacobian_BPC, miss_BP = torch.stack(gradients, 1), torch.stack(misses, 1)
    gram_BPP = jacobian_BPC @ jacobian_BPC.mT
    # Properties that say nearly the same cannot be met independently, and a row may lack some.
    damped_BPP = gram_BPP + torch.diag_embed(slack_P * gram_BPP.diagonal(dim1=1, dim2=2) + 1e-9)
    step_BP = torch.linalg.solve(damped_BPP, miss_BP)
    moved_B1C: Tensor = step_BP[:, None] @ jacobian_BPC
    return 2 * moved_B1C.view_as(images_B3HW), miss_BP.abs().amax(1)
