"""Where independent tasks run: in this process, in processes of this machine, or on a Ray cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from majolica.config.bounds import at_least


@dataclass(frozen=True)
class EngineConfig:
    """How partitions of work are spread."""

    engine: Literal["local", "ray"] = "local"
    workers: Annotated[int, at_least(1)] = 1
    """Tasks at the same time: processes here (1: this one), tasks on Ray."""
    ray_address: str = "auto"
    """Address of a running Ray cluster; auto finds the one that this machine is part of."""
