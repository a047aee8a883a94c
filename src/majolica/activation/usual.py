"""The placements that people use without a planner, to compare a plan with."""

from __future__ import annotations

from majolica.activation.chain import Chain, cost, peak
from majolica.activation.choices import CHOICES, Choice


def usual(chain: Chain[Choice]) -> dict[str, tuple[Choice, ...]]:
    """Uniform, full, every k-th block, all but every k-th, the first k blocks, the last k."""
    count = len(chain.links)
    placements: dict[str, tuple[Choice, ...]] = {}
    for choice in CHOICES:
        if all(choice in link.options for link in chain.links):
            placements["full" if choice == "recompute" else f"{choice} everywhere"] = (choice,) * count
    for k in range(1, count + 1):
        every, first = set(range(0, count, k)), set(range(k))
        picks = {
            f"every {k}th": every,
            f"all but every {k}th": set(range(count)) - every,
            f"the first {k}": first,
            f"the last {k}": {count - 1 - index for index in first},
        }
        for name, picked in picks.items():
            placements[name] = tuple("recompute" if index in picked else "keep" for index in range(count))
    return placements


def best_usual(chain: Chain[Choice], budget: int) -> tuple[str, int] | None:
    """Name and FLOPs of the cheapest usual placement within a budget in bytes; None where none keeps to it."""
    fitting = [(cost(chain, c), name) for name, c in usual(chain).items() if peak(chain, c) <= budget]
    if not fitting:
        return None
    flops, name = min(fitting)
    return name, flops
