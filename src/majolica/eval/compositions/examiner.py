"""Looks at pictures of drawings, and says which things they show, where, and on what background."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from majolica.data.drawings.compose import BACKGROUNDS, compose
from majolica.data.drawings.openmoji import find_drawings
from majolica.eval.compositions.foreground import Scene, dilate, find_parts, find_things
from majolica.eval.judge.panel import Panel

LARGEST = 64
"""Largest side in pixels at which pictures are looked at; larger ones are scaled to it."""
MARGIN = 0.15
"""Margin around a thing that is cut out, as a share of its longer side."""
STREAM = 0x67726E64
"""Part of the seed of the renders from which the colours of backgrounds are learned."""
UNKNOWN = "something"
"""What the judges do not agree on, or do not know."""


@dataclass(frozen=True)
class Sight:
    """What is seen in one picture."""

    whole: str
    """What the judges agree on for the whole picture; `UNKNOWN` if they do not agree."""
    parts: tuple[str, ...]
    """What they agree on for each of its things alone, from the left to the right."""
    centre: float
    """Middle of the box around all things, from 0 at the left to 1 at the right; NaN if there is none."""
    background: str

    def describe(self, alone: bool) -> str:
        """Describe it for people: what is seen as a whole, if a thing should be `alone`, or each thing by itself."""
        things = self.whole if alone else " and ".join(self.parts) or "nothing"
        return f"{things} on {self.background}"


@dataclass(frozen=True)
class Grounds:
    """The colours that backgrounds have in renders, in any light and with any gradient.

    A colour has the name that most of the `nearest` renders have whose colours are nearest in OKLab. A white
    background in low light has the colour of a grey one, so that not even a perfect painter is always right.
    """

    colours_R3: Tensor
    names: tuple[str, ...]
    nearest: int = 5

    @classmethod
    def learn(cls, names: Sequence[str], resolution: int, seed: int = 0, renders: int = 600) -> Grounds:
        """Learn the colours from renders of things of these names."""
        chosen, images, found = find_drawings(list(names)), [], []
        grounds = list(BACKGROUNDS)
        for i in range(renders):
            rng = np.random.default_rng([seed, STREAM, i])
            wanted = frozenset((name, grounds[i % len(grounds)]) for name in names)
            sample = compose(rng, chosen, resolution, only=wanted)
            images.append(torch.from_numpy(sample.image).permute(2, 0, 1))
            found.append(str(sample.meta["background"]))
        return cls(find_things(shrink(torch.stack(images))).ground_B3, tuple(found))

    def name(self, colours_B3: Tensor) -> list[str]:
        """Return the name of the background of each colour in OKLab."""
        rows_BK = torch.cdist(colours_B3, self.colours_R3).topk(self.nearest, largest=False).indices
        return [Counter(self.names[i] for i in row).most_common(1)[0][0] for row in rows_BK.tolist()]


@dataclass(frozen=True)
class Examiner:
    """The judges of drawings, and what the backgrounds of renders look like."""

    panel: Panel
    grounds: Grounds

    def look(self, images_B3HW: Tensor) -> list[Sight]:
        """Say what uint8 pictures show."""
        small_B3HW = shrink(images_B3HW)
        scene = find_things(small_B3HW)
        parts = [find_parts(things_HW) for things_HW in scene.things_BHW]
        cuts = [cut for i, parts_NHW in enumerate(parts) for cut in cut_out(small_B3HW[i], scene, i, parts_NHW)]
        named = iter(self._name(torch.stack(cuts)) if cuts else [])
        wholes, grounds = self._name(images_B3HW), self.grounds.name(scene.ground_B3)
        sights = []
        for parts_NHW, whole, ground in zip(parts, wholes, grounds, strict=True):
            seen = sorted((_middle(part_HW), next(named)) for part_HW in parts_NHW)
            centre = _middle(parts_NHW.any(0)) if len(parts_NHW) else nan
            sights.append(Sight(whole, tuple(name for _, name in seen), centre, ground))
        return sights

    def _name(self, images_B3HW: Tensor) -> list[str]:
        """Return the name on which all judges agree for each picture, or `UNKNOWN`."""
        best_JB = self.panel.answer(images_B3HW).argmax(2)
        names = (*self.panel.names, UNKNOWN)
        return [names[int(best_J[0])] if bool((best_J == best_J[0]).all()) else UNKNOWN for best_J in best_JB.T]


def shrink(images_B3HW: Tensor) -> Tensor:
    """Return uint8 pictures scaled to `LARGEST` pixels, or as they are if they are smaller."""
    height, width = images_B3HW.shape[2:]
    if max(height, width) <= LARGEST:
        return images_B3HW
    scale = LARGEST / max(height, width)
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    return F.interpolate(images_B3HW, size, mode="bilinear", antialias=True)


def cut_out(image_3HW: Tensor, scene: Scene, row: int, parts_NHW: Tensor) -> list[Tensor]:
    """Cut each thing out of a uint8 picture, and put it alone on its ground: squares of the picture's longer side."""
    side, ground_HW = max(image_3HW.shape[1:]), ~scene.things_BHW[row]
    pixels_3HW = image_3HW.float()
    colour_311 = (
        (pixels_3HW[:, ground_HW] if ground_HW.any() else pixels_3HW.flatten(1)).median(1).values[:, None, None]
    )
    cuts = []
    for part_HW in parts_NHW:
        # One pixel more on each side keeps the soft edge of the thing.
        alone_3HW = torch.where(dilate(part_HW[None])[0], pixels_3HW, colour_311)
        top, bottom, left, right = box_of(part_HW)
        length = round(max(bottom - top, right - left) * (1 + 2 * MARGIN)) + 1
        canvas_3HW = colour_311.expand(3, image_3HW.shape[1] + 2 * length, image_3HW.shape[2] + 2 * length).clone()
        canvas_3HW[:, length:-length, length:-length] = alone_3HW
        first, start = (top + bottom) // 2 + length - length // 2, (left + right) // 2 + length - length // 2
        square = canvas_3HW[None, :, first : first + length, start : start + length]
        scaled = F.interpolate(square, (side, side), mode="bicubic", antialias=True)[0]
        cuts.append(scaled.clamp(0, 255).round().to(torch.uint8))
    return cuts


def box_of(mask_HW: Tensor) -> tuple[int, int, int, int]:
    """Return top, bottom, left and right of a mask that is not empty, in pixels; bottom and right are one beyond it."""
    rows, columns = mask_HW.any(1).nonzero()[:, 0], mask_HW.any(0).nonzero()[:, 0]
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def _middle(mask_HW: Tensor) -> float:
    """Return the horizontal middle of the box around a mask, in units of the width."""
    _, _, left, right = box_of(mask_HW)
    return (left + right) / 2 / mask_HW.shape[1]
