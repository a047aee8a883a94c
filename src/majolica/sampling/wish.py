"""What pictures are kept to while they are painted.

Shapes: B rows, P properties, Q further properties.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from majolica.properties.registry import can_project, known_properties, measure_all

START = 0.3
"""Flow time from which predictions are moved if the model has learned the property. Before, they are means of many
pictures, without contrast or edges."""
EARLY = 0.05
"""The same for a property that the model does not know: nothing else makes it choose a picture that suits."""


@dataclass(frozen=True)
class Wish:
    """What pictures are to measure."""

    names: tuple[str, ...]
    """Properties to whose values a picture can be moved (`registry.can_project`)."""
    values_BP: Tensor
    """In their units; NaN where a row does not set them."""
    learned: tuple[bool, ...]
    """Whether the model knows them."""
    held: tuple[bool, ...]
    """Whether they are only to stay as they were: such properties give way to those that were asked for."""
    palettes_BK3: Tensor | None = None
    """Colours in [0, 1], padded with NaN; None where no row has a palette."""

    @staticmethod
    def empty(count: int, device: torch.device) -> Wish:
        """No property for so many pictures."""
        return Wish((), torch.empty(count, 0, device=device), (), ())

    def __getitem__(self, rows: slice) -> Wish:
        palettes_BK3 = None if self.palettes_BK3 is None else self.palettes_BK3[rows]
        return replace(self, values_BP=self.values_BP[rows], palettes_BK3=palettes_BK3)

    def at(self, t: float) -> Wish:
        """Those of the properties that count at flow time `t`."""
        return self._take([place for place, learned in enumerate(self.learned) if t >= (START if learned else EARLY)])

    def choose(self, suits: Callable[[str], bool]) -> Wish:
        """Those of the properties whose names suit."""
        return self._take([place for place, name in enumerate(self.names) if suits(name)])

    def _take(self, places: Sequence[int]) -> Wish:
        return Wish(
            tuple(self.names[place] for place in places),
            self.values_BP[:, places],
            tuple(self.learned[place] for place in places),
            tuple(self.held[place] for place in places),
            self.palettes_BK3,
        )

    def hold(self, images_B3HW: Tensor) -> Wish:
        """The wish that also all other properties that are built in measure what they do in these pictures.

        The pictures are at the base resolution, with values in [0, 1].
        """
        others = [name for name in known_properties() if name not in self.names and can_project(name)]
        values_BQ = measure_all(others, images_B3HW).to(self.values_BP.device)
        return Wish(
            (*self.names, *others),
            torch.cat((self.values_BP, values_BQ), 1),
            (*self.learned, *[True] * len(others)),
            (*self.held, *[True] * len(others)),
            self.palettes_BK3,
        )
