"""Where independent tasks run: in this process, in several processes of this machine, or on a Ray cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from majolica.config.bounds import at_least


@dataclass(frozen=True)
class EngineConfig:
    """How work is spread over processes or machines."""

    engine: Literal["local", "ray"] = "local"
    workers: Annotated[int, at_least(1)] = 1
    """How many tasks run at the same time: in so many processes here (1 is this process), or on Ray."""
    ray_address: str = "auto"
    """Address of a running Ray cluster; `auto` finds the cluster that this machine is part of."""
