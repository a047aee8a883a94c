"""What a visual property is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor


Numbers = TypeVar("Numbers", "Tensor", "NDArray[np.float64]")


@dataclass(frozen=True)
class Property:
    """One property: its unit, its range in that unit, and how it is measured."""

    unit: str
    low: float
    high: float
    measure: Callable[[Tensor], Tensor]
    """A pure function of pixels in [0, 1], `(B, 3, H, W) -> (B,)`.

    It gives NaN for a picture that does not have the property, as a grey picture has no hue. The same
    function labels training rows and measures painted pictures.
    """
    circular: bool = False
    """Whether `high` means the same as `low`, as 360 degrees are 0 degrees."""

    read: Callable[[Mapping[str, Any]], float] | None = None
    """Reads the value from a sample's metadata, NaN where it has none; then pixels do not tell it (`columns`)."""

    read_name: Callable[[Mapping[str, Any]], str] | None = None
    """Reads a name from a sample's metadata, "" where it has none; then the property is a category (`categories`)."""

    frame: Callable[[Tensor, Tensor], Tensor] | None = None
    """From the box `(B, 4)` of what is drawn (`pixels.subject_box`) to the one in the frame that measures the values
    `(B,)`.

    Of properties that say where the subject is: pictures are moved to such a value by moving their subject.
    """

    source: str = ""
    """Of a user's property: the name of its file and the file's SHA-256."""

    @property
    def is_category(self) -> bool:
        """Whether its values are names and not numbers."""
        return self.read_name is not None

    @property
    def span(self) -> float:
        """The length of the range."""
        return self.high - self.low

    def miss(self, measured: Numbers, wanted: Numbers) -> Numbers:
        """`measured` less `wanted` as a share of the range, the short way round for a circular property."""
        away = (measured - wanted) / self.span
        return (away + 0.5) % 1 - 0.5 if self.circular else away
