"""One figure of an estimate, and how it was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

How = Literal["counted", "formula", "given", "assumed"]
"""How a figure was found.

It is "counted" in the trace, computed by a "formula" from other figures, "given" by the recipe or the
caller, or "assumed": a guess or from a data sheet.
"""


@dataclass(frozen=True)
class Estimate:
    """One figure of an estimate."""

    section: str
    name: str
    value: float
    unit: str
    how: How
    note: str = ""
