"""Finds the nearest training picture of each of some pictures, among training pictures that pass by in chunks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

SIDE = 32
"""Side in pixels of the pictures whose values are compared."""

Describe = Callable[[Tensor], Tensor]
"""Maps uint8 pictures `B3HW` to vectors `(B, D)` whose Euclidean distance is what is looked for."""


def thumbnails(images_B3HW: Tensor) -> Tensor:
    """Return uint8 pictures as vectors `(B, D)` whose distance is the root mean square difference of their values.

    The pictures are scaled to `SIDE` pixels, or stay as they are if they are smaller, and values are in
    [0, 1]. This is the normalised L2 distance of Carlini et al. (arXiv 2301.13188, section 4.1).
    """
    pictures = images_B3HW.float() / 255
    if min(pictures.shape[2:]) > SIDE:
        pictures = F.interpolate(pictures, (SIDE, SIDE), mode="bilinear", antialias=True)
    vectors_BD = pictures.flatten(1)
    return vectors_BD / math.sqrt(vectors_BD.shape[1])


@dataclass(frozen=True)
class Nearest:
    """The nearest training picture of each of Q pictures, in one space."""

    distance_Q: Tensor
    """Infinite if there was no training picture."""
    images_Q3HW: Tensor
    """The training pictures, uint8, as they are and not mirrored."""
    mirrored_Q: Tensor
    """Whether it is the mirror image of the picture that it is nearest to, bool."""


class Search:
    """Looks for the nearest of the training pictures that it is shown, in one space.

    With `mirror` it also looks for the nearest training picture of the mirror image of each picture.
    In pixels this is the same as looking among mirrored training pictures.
    """

    def __init__(self, images_Q3HW: Tensor, describe: Describe, mirror: bool) -> None:
        views = [images_Q3HW, images_Q3HW.flip(3)] if mirror else [images_Q3HW]
        self._describe, self._views = describe, [describe(view).float() for view in views]
        self._distance_Q = torch.full((len(images_Q3HW),), torch.inf)
        self._images_Q3HW = torch.zeros_like(images_Q3HW)
        self._mirrored_Q = torch.zeros(len(images_Q3HW), dtype=torch.bool)

    def show(self, images_K3HW: Tensor) -> None:
        """Look at some more training pictures, uint8 and of the size of the pictures."""
        vectors_KD = self._describe(images_K3HW).float()
        for mirrored, view_QD in enumerate(self._views):
            # |q - k|^2 without the part that is the same for all k.
            nearest_Q = (vectors_KD.square().sum(1) - 2 * view_QD @ vectors_KD.T).argmin(1)
            # The difference itself is free of the rounding of the products: equal pictures are at distance 0.
            distance_Q = (view_QD - vectors_KD[nearest_Q]).square().sum(1).sqrt()
            nearer_Q = distance_Q < self._distance_Q
            self._distance_Q[nearer_Q] = distance_Q[nearer_Q]
            self._images_Q3HW[nearer_Q] = images_K3HW[nearest_Q[nearer_Q]]
            self._mirrored_Q[nearer_Q] = bool(mirrored)

    def found(self) -> Nearest:
        """Return the nearest of all that was shown."""
        return Nearest(self._distance_Q, self._images_Q3HW, self._mirrored_Q)


def find_nearest(
    images_Q3HW: Tensor, training: Iterable[Tensor], spaces: dict[str, Describe], mirror: bool
) -> tuple[dict[str, Nearest], int]:
    """Return the nearest training picture of each picture in each space, and how many training pictures there were."""
    searches = {name: Search(images_Q3HW, describe, mirror) for name, describe in spaces.items()}
    count = 0
    for images_K3HW in training:
        count += len(images_K3HW)
        for search in searches.values():
            search.show(images_K3HW)
    return {name: search.found() for name, search in searches.items()}, count
