"""A training step as a chain of blocks, and its memory in bytes under given choices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

C = TypeVar("C", bound=str)


@dataclass(frozen=True)
class Option:
    """What one choice for one block costs."""

    held: int
    """What the block holds from its forward pass to its backward pass, its output included."""
    forward: int
    """The peak of the block's forward pass, beyond what was live before it."""
    backward: int
    """The peak of its backward pass, recomputation included, beyond what was live before it."""
    flops: int
    """FLOPs of the recomputation; for off-loading, `chain_builder.OFFLOAD_PRICE` times the bytes moved."""


@dataclass(frozen=True)
class Link(Generic[C]):
    """One call of a block, and the memory around it.

    The "rest" is everything live that no block holds. It does not depend on the choices. In the
    backward pass it includes the gradients, which grow as the pass goes on.
    """

    name: str
    options: Mapping[C, Option]
    rest_forward: int
    """The rest when the block's forward pass begins."""
    after_forward: int
    """The peak of the rest between this forward pass and the next."""
    rest_backward: int
    """The rest when its backward pass begins."""
    after_backward: int
    """The peak of the rest between this backward pass and the next."""

    def need(self, choice: C) -> int:
        """Return the peak in and after both passes of this block, less what earlier ones hold."""
        option = self.options[choice]
        return max(
            self.rest_forward + option.forward,
            option.held + self.after_forward,
            option.held + self.rest_backward + option.backward,
            self.after_backward,
        )


@dataclass(frozen=True)
class Chain(Generic[C]):
    """All calls of blocks in a step, in forward order."""

    links: tuple[Link[C], ...]
    ends: int
    """The peak before the first block's forward pass."""
    flops: int = 0
    """FLOPs of the whole step without recomputation."""


@dataclass(frozen=True)
class Moment:
    """One pass of one block."""

    name: str
    backward: bool
    held: int
    """What blocks hold when the pass begins: their activations."""
    rest: int
    """What else is live then, gradients included."""
    peak: int
    """The peak during the pass and until the next one."""


def moments(chain: Chain[C], choices: Sequence[C]) -> Iterator[Moment]:
    """Yield the memory of every pass of the step under `choices`, in the order of execution."""
    held = 0
    options = [link.options[choice] for link, choice in zip(chain.links, choices, strict=True)]
    for link, option in zip(chain.links, options, strict=True):
        peak = held + max(link.rest_forward + option.forward, option.held + link.after_forward)
        yield Moment(link.name, False, held, link.rest_forward, peak)
        held += option.held
    for link, option in zip(reversed(chain.links), reversed(options), strict=True):
        before = held - option.held
        peak = max(held + link.rest_backward + option.backward, before + link.after_backward)
        yield Moment(link.name, True, held, link.rest_backward, peak)
        held = before


def peak(chain: Chain[C], choices: Sequence[C]) -> int:
    """Return the peak of the step."""
    return max([chain.ends, *(moment.peak for moment in moments(chain, choices))])


def cost(chain: Chain[C], choices: Sequence[C]) -> int:
    """Return the FLOPs that the choices add to the step."""
    return sum(link.options[choice].flops for link, choice in zip(chain.links, choices, strict=True))
