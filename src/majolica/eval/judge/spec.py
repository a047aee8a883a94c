"""All options that determine a judge, as one object."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Literal

JudgeKind = Literal["features", "colours", "shapes"]
"""`features` describes pictures. `colours` and `shapes` are strict: see `majolica.eval.judge.lessons`."""

VERSION = 2
"""Part of the hash in a judge's file name. Raise it when the training of judges changes."""


@dataclass(frozen=True)
class JudgeSpec:
    """What a judge knows, at what resolution it reads pictures, and how it is trained.

    The same spec gives the same judge.
    """

    names: tuple[str, ...]
    resolution: int
    """Side in pixels of the pictures that it reads; others are scaled to this side."""
    objects: int = 1
    """The most things that a render shows. The judge has to name all of them."""
    seed: int = 0
    effort: float = 1.0
    """A factor on the number of renders and on that of steps.

    1.0 takes about a minute on two cores at 48 px and 32 names.
    """
    kind: JudgeKind = "features"

    @property
    def renders(self) -> int:
        """The number of pictures that it learns from: 4,000 for 32 names, 20,000 for 845."""
        return round(self.effort * max(4000, 24 * len(self.names)))

    @property
    def steps(self) -> int:
        """The number of steps of its training: 450 for 32 names, 3,400 for 845."""
        return round(self.effort * max(450, 4 * len(self.names)))

    @property
    def file_name(self) -> str:
        """The name of its file beside the data, which holds a hash of the spec."""
        values = [VERSION, list(self.names), self.resolution, self.seed, self.objects, self.effort]
        kind = [] if self.kind == "features" else [self.kind]  # its file has the name that it had when it was alone
        return f"judge-{hashlib.sha256(json.dumps(values + kind).encode()).hexdigest()[:12]}.safetensors"
