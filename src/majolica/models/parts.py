"""What a model says of its own structure: its parts, and its blocks in the order in which a step calls them.

Optimisers, precision, compilation, sharding, observation, the activation planner and estimates ask here, and none of
them knows the name of a layer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Protocol

from torch import nn

Kind = Literal["transformer", "pixel"]


@dataclass(frozen=True)
class BlockCall:
    """One call of a block. A block that is called twice in a step stands in two of them."""

    name: str
    """The part and the number of the block in it, as in "perception 3"."""
    block: nn.Module
    kind: Kind
    """Transformer blocks work on tokens, pixel blocks on every pixel."""


class Structured(Protocol):
    """A model that knows its structure."""

    def parts(self) -> dict[str, nn.Module]:
        """Named parts; what stands in none of them is the head."""

    def blocks(self) -> list[BlockCall]:
        """The calls of blocks in a step, in their order."""

    def parameters(self) -> Iterable[nn.Parameter]:
        """As of every module."""

    def named_parameters(self) -> Iterable[tuple[str, nn.Parameter]]:
        """As of every module."""


def transformer_linears(model: Structured) -> list[nn.Linear]:
    """The linear layers inside the transformer blocks: neither embeddings nor heads."""
    blocks = dict.fromkeys(call.block for call in model.blocks() if call.kind == "transformer")
    return [layer for block in blocks for layer in block.modules() if isinstance(layer, nn.Linear)]


def hidden_matrices(model: Structured) -> set[str]:
    """Names of the weights of `transformer_linears`: what Muon may take."""
    weights = {id(layer.weight) for layer in transformer_linears(model)}
    return {name for name, value in model.named_parameters() if id(value) in weights}


HEAD = "head"


def parameters_by_part(model: Structured) -> dict[str, list[nn.Parameter]]:
    """The parameters of every part that has any, and those of no part as HEAD."""
    parts = {name: list(part.parameters()) for name, part in model.parts().items()}
    known = {id(value) for values in parts.values() for value in values}
    parts[HEAD] = [value for value in model.parameters() if id(value) not in known]
    return {name: values for name, values in parts.items() if values}
