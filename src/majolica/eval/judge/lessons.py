"""How the judges differ: their networks, and the pictures from which each kind learns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Generator, Tensor, nn

from majolica.eval.judge.architectures import build_mixer, build_residual
from majolica.eval.judge.degrade import degrade, scramble
from majolica.eval.judge.near_misses import MILD, near_misses
from majolica.eval.judge.spec import JudgeKind
from majolica.properties.pixels import luma

Change = Callable[[Tensor, Generator], Tensor]
"""Changes pictures `B3HW` with values in [0, 1] at random."""


@dataclass(frozen=True)
class JudgeLesson:
    """What a kind of judge learns."""

    build: Callable[[int], nn.Sequential]
    """Builds its network for a number of names."""
    nonsense: int
    """Rows in each batch of 64 that `spoil` changes; they then show none of the names."""
    spoil: Change
    damage: Change
    """Changes all rows, after `spoil`; what they show stays recognisable."""
    effort: float = 1.0
    """A factor on the number of steps."""


def _damage_mildly(images_B3HW: Tensor, generator: Generator) -> Tensor:
    return degrade(images_B3HW, generator, bend=MILD, softest=1 / 32, noise=0.06)


def _damage_and_grey(images_B3HW: Tensor, generator: Generator) -> Tensor:
    """Damage the pictures mildly, and turn half of them grey."""
    damaged = _damage_mildly(images_B3HW, generator)
    grey_B111 = (torch.rand(len(damaged), generator=generator) < 0.5).view(-1, 1, 1, 1)
    return torch.where(grey_B111, luma(damaged)[:, None].expand_as(damaged), damaged)


_strict = partial(JudgeLesson, nonsense=24, spoil=near_misses)
LESSONS: Mapping[JudgeKind, JudgeLesson] = {
    "features": JudgeLesson(build_residual, 16, scramble, degrade),
    "colours": _strict(build_residual, damage=_damage_and_grey, effort=1.5),
    "shapes": _strict(build_mixer, damage=_damage_mildly, effort=2.3),
}
"""The lesson of each kind.

`features` learned first. Its features are kept for the Frechet distance, so that distances stay comparable, but its
answers are those of a judge that is easy to please: it goes by colours. `colours` and `shapes` answer together, see
`majolica.eval.judge.panel`. They learn what near misses are, and differ in network, scale and colours.
"""
