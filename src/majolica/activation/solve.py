"""Finding the cheapest choices within a budget by dynamic programming (docs/adr/040)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic

from majolica.activation.chain import C, Chain

MAX_STATES = 20_000
"""The most partial plans that are carried from one block to the next."""


@dataclass(frozen=True)
class _State(Generic[C]):
    """A partial plan: the choices for the first blocks, as a linked list from the last of them."""

    held: int
    cost: int
    choice: C | None = None
    previous: _State[C] | None = None


def least_peaks(chain: Chain[C]) -> list[int]:
    """Return the least peak of blocks i .. n beyond what earlier ones hold, for i = 1 .. n + 1."""
    tail = [0]
    for link in reversed(chain.links):
        peaks = (max(link.need(choice), option.held + tail[-1]) for choice, option in link.options.items())
        tail.append(min(peaks))
    return tail[::-1]


def smallest_budget(chain: Chain[C]) -> int:
    """Return the smallest budget in bytes that any choices keep to."""
    return max(chain.ends, least_peaks(chain)[0])


def solve(chain: Chain[C], budget: int) -> tuple[C, ...] | None:
    """Return the choices with the fewest FLOPs within `budget` bytes; None if none keep to it.

    The result is optimal as long as no block has more than `MAX_STATES` undominated partial plans.
    If one has more, the bytes held are divided into `MAX_STATES` equal ranges, and the cheapest
    plan of each range is kept. The result is then still within the budget, and costs no more than
    the best plan for a budget smaller by one range per block.
    """
    if budget < chain.ends:
        return None
    front: list[_State[C]] = [_State(0, 0)]
    for link, later_peak in zip(chain.links, least_peaks(chain)[1:], strict=True):
        reached = [
            _State(state.held + option.held, state.cost + option.flops, choice, state)
            for choice, option in link.options.items()
            for state in front
            if state.held + max(link.need(choice), option.held + later_peak) <= budget
        ]
        front = _thin_out(_keep_undominated(reached))
    if not front:
        return None
    return _trace_back(min(front, key=lambda state: (state.cost, state.held)))


def _keep_undominated(states: list[_State[C]]) -> list[_State[C]]:
    """Return the Pareto front of bytes and cost, by ascending bytes."""
    front: list[_State[C]] = []
    for state in sorted(states, key=lambda state: (state.held, state.cost)):
        if not front or state.cost < front[-1].cost:
            front.append(state)
    return front


def _thin_out(front: list[_State[C]]) -> list[_State[C]]:
    if len(front) <= MAX_STATES:
        return front
    low, high = front[0].held, front[-1].held
    # The dict keeps the last state of each range, which is the cheapest.
    return list({(state.held - low) * MAX_STATES // (high - low + 1): state for state in front}.values())


def _trace_back(state: _State[C]) -> tuple[C, ...]:
    choices: list[C] = []
    while state.previous is not None and state.choice is not None:
        choices.append(state.choice)
        state = state.previous
    return tuple(reversed(choices))
