"""Which judge: all that makes one differ from another, as one object."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

VERSION = 2
"""Part of the name of its file. Raise it when the training of judges changes."""


@dataclass(frozen=True)
class JudgeSpec:
    """What a judge knows, what it looks at, and how it is trained.

    The same spec gives the same judge.
    """

    names: tuple[str, ...]
    resolution: int
    """Side in pixels of the pictures that it looks at; others are scaled to it."""
    objects: int = 1
    """Things that its renders show at most: all of them are to be named."""
    seed: int = 0
    effort: float = 1.0
    """Scales renders and steps alike.

    1.0 takes about a minute on two cores at 48 px and 32 names.
    """

    @property
    def renders(self) -> int:
        """Pictures that it learns from: 4,000 for 32 names, 20,000 for 845."""
        return round(self.effort * max(4000, 24 * len(self.names)))

    @property
    def steps(self) -> int:
        """Steps of its training: 450 for 32 names, 3,400 for 845."""
        return round(self.effort * max(450, 4 * len(self.names)))

    @property
    def file_name(self) -> str:
        """The name of its file beside the data, which holds a hash of the spec."""
        key = json.dumps([VERSION, list(self.names), self.resolution, self.seed, self.objects, self.effort])
        return f"judge-{hashlib.sha256(key.encode()).hexdigest()[:12]}.safetensors"
