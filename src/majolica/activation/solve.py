"""The cheapest choices within a budget (docs/adr/040 has the mathematics)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic

from majolica.activation.chain import C, Chain

FRONT = 20_000
"""Partial plans carried from block to block; more are thinned out."""


@dataclass(frozen=True)
class _State(Generic[C]):
    held: int
    cost: int
    choice: C | None = None
    before: _State[C] | None = None


def least(chain: Chain[C]) -> list[int]:
    """Smallest peak of blocks i .. n beyond what blocks before i hold, for i = 1 .. n + 1."""
    tail = [0]
    for link in reversed(chain.links):
        ways = (max(link.need(choice), option.held + tail[-1]) for choice, option in link.options.items())
        tail.append(min(ways))
    return tail[::-1]


def smallest_budget(chain: Chain[C]) -> int:
    """The smallest budget in bytes that some choices keep to."""
    return max(chain.ends, least(chain)[0])


def solve(chain: Chain[C], budget: int) -> tuple[C, ...] | None:
    """The choices that keep to `budget` bytes at every block and cost the fewest FLOPs; None where none keep to it.

    Exact for up to `FRONT` undominated partial plans at every block. Beyond that the cheapest of each of `FRONT`
    equal ranges of bytes goes on: never over budget, and no dearer than the best plan for a budget that is
    less by one range per block.
    """
    if budget < chain.ends:
        return None
    front: list[_State[C]] = [_State(0, 0)]
    for link, tail in zip(chain.links, least(chain)[1:], strict=True):
        reached = [
            _State(state.held + option.held, state.cost + option.flops, choice, state)
            for choice, option in link.options.items()
            for state in front
            if state.held + max(link.need(choice), option.held + tail) <= budget
        ]
        front = _thin(_keep_undominated(reached))
    if not front:
        return None
    return _choices(min(front, key=lambda state: (state.cost, state.held)))


def _keep_undominated(states: list[_State[C]]) -> list[_State[C]]:
    """Those than which none holds less and costs no more, by ascending bytes and descending cost."""
    front: list[_State[C]] = []
    for state in sorted(states, key=lambda state: (state.held, state.cost)):
        if not front or state.cost < front[-1].cost:
            front.append(state)
    return front


def _thin(front: list[_State[C]]) -> list[_State[C]]:
    if len(front) <= FRONT:
        return front
    low, high = front[0].held, front[-1].held
    # Later ones in a range replace earlier ones: they hold more and cost less.
    return list({(state.held - low) * FRONT // (high - low + 1): state for state in front}.values())


def _choices(state: _State[C]) -> tuple[C, ...]:
    choices: list[C] = []
    while state.before is not None and state.choice is not None:
        choices.append(state.choice)
        state = state.before
    return tuple(reversed(choices))
