"""Common placements of checkpoints that need no planner: the baselines for a plan."""

from __future__ import annotations

from majolica.activation.chain import Chain, cost, peak
from majolica.activation.choices import CHOICES, Choice


def usual_placements(chain: Chain[Choice]) -> dict[str, tuple[Choice, ...]]:
    """Return the choices for all blocks under each common placement, by the placement's name.

    These are one choice for all blocks, and recomputation of every k-th block, of all but every
    k-th, of the first k and of the last k, for every k.
    """
    count = len(chain.links)
    placements: dict[str, tuple[Choice, ...]] = {}
    for choice in CHOICES:
        if all(choice in link.options for link in chain.links):
            placements["full" if choice == "recompute" else f"{choice} everywhere"] = (choice,) * count
    for k in range(1, count + 1):
        every_kth, first = set(range(0, count, k)), set(range(k))
        recomputed = {
            f"every {k}th": every_kth,
            f"all but every {k}th": set(range(count)) - every_kth,
            f"the first {k}": first,
            f"the last {k}": {count - 1 - index for index in first},
        }
        for name, blocks in recomputed.items():
            placements[name] = tuple("recompute" if index in blocks else "keep" for index in range(count))
    return placements


def best_usual_placement(chain: Chain[Choice], budget: int) -> tuple[str, int] | None:
    """Return name and FLOPs of the cheapest placement within `budget` bytes; None if none fits."""
    fitting = [(cost(chain, c), name) for name, c in usual_placements(chain).items() if peak(chain, c) <= budget]
    if not fitting:
        return None
    flops, name = min(fitting)
    return name, flops
