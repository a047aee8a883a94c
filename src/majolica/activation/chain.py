"""A training step as a chain of blocks, and the memory that it takes under given choices. All sizes in bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

C = TypeVar("C", bound=str)


@dataclass(frozen=True)
class Option:
    """What one choice for one block costs."""

    held: int
    """Stays from the block's forward pass to its backward pass, its output included."""
    forward: int
    """The most that the block's forward pass takes beyond what was live before it."""
    backward: int
    """The same of its backward pass, recomputation included."""
    flops: int
    """Recomputed, or the price of moving what is off-loaded."""


@dataclass(frozen=True)
class Link(Generic[C]):
    """A block between its neighbours. What no choice changes is `rest`: everything live that no block holds.

    The rest of the backward pass has the gradients in it, which grow as that pass goes on.
    """

    name: str
    options: Mapping[C, Option]
    rest_forward: int
    """Rest when the block's forward pass begins."""
    after_forward: int
    """Most of the rest between this forward pass and the next."""
    rest_backward: int
    """Rest when its backward pass begins."""
    after_backward: int
    """Most of the rest between this backward pass and the next."""

    def need(self, choice: C) -> int:
        """The most that the step takes in and right after this block's passes, less what earlier blocks hold."""
        option = self.options[choice]
        return max(
            self.rest_forward + option.forward,
            option.held + self.after_forward,
            option.held + self.rest_backward + option.backward,
            self.after_backward,
        )


@dataclass(frozen=True)
class Chain(Generic[C]):
    """Links in forward order."""

    links: tuple[Link[C], ...]
    ends: int
    """The most before the first forward and after the last backward pass."""
    flops: int = 0
    """The whole step's, nothing recomputed."""


@dataclass(frozen=True)
class Moment:
    """One pass of one block."""

    name: str
    backward: bool
    held: int
    """Activations that blocks hold when the pass begins."""
    rest: int
    """What else is live then; gradients among it."""
    peak: int
    """The most live during the pass and until the next one."""


def moments(chain: Chain[C], choices: Sequence[C]) -> Iterator[Moment]:
    """The step under `choices`, pass by pass."""
    held = 0
    picked = [link.options[choice] for link, choice in zip(chain.links, choices, strict=True)]
    for link, option in zip(chain.links, picked, strict=True):
        peak = held + max(link.rest_forward + option.forward, option.held + link.after_forward)
        yield Moment(link.name, False, held, link.rest_forward, peak)
        held += option.held
    for link, option in zip(reversed(chain.links), reversed(picked), strict=True):
        before = held - option.held
        peak = max(held + link.rest_backward + option.backward, before + link.after_backward)
        yield Moment(link.name, True, held, link.rest_backward, peak)
        held = before


def peak(chain: Chain[C], choices: Sequence[C]) -> int:
    """The most that the step takes."""
    return max([chain.ends, *(moment.peak for moment in moments(chain, choices))])


def cost(chain: Chain[C], choices: Sequence[C]) -> int:
    """FLOPs that the choices add to the step."""
    return sum(link.options[choice].flops for link, choice in zip(chain.links, choices, strict=True))
