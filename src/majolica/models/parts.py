"""The structure of a model: its parts, and its blocks in the order in which a step calls them.

Optimisers, precision, compilation, sharding, observation, the activation planner and estimates ask
the model for its structure, so that none of them depends on the name of a layer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from torch import nn

StackKind = Literal["transformer", "pixel"]


@dataclass(frozen=True)
class BlockCall:
    """One call of a block. A block that is called twice in a step has two of them."""

    name: str
    """The stack and the number of the block in it, such as "perception 3"."""
    block: nn.Module
    kind: StackKind
    """Transformer blocks work on tokens, pixel blocks on squares of pixels."""


class Structured(Protocol):
    """A model that knows its structure."""

    def parts(self) -> dict[str, nn.Module]:
        """Named parts; parameters in none of them belong to the head."""

    def blocks(self) -> list[BlockCall]:
        """The calls of blocks in a step, in order."""

    def parameters(self) -> Iterable[nn.Parameter]:
        """See `nn.Module`."""

    def named_parameters(self) -> Iterable[tuple[str, nn.Parameter]]:
        """See `nn.Module`."""


def transformer_linears(model: Structured) -> list[nn.Linear]:
    """The linear layers inside the transformer blocks: neither embeddings nor heads."""
    blocks = dict.fromkeys(call.block for call in model.blocks() if call.kind == "transformer")
    return [layer for block in blocks for layer in block.modules() if isinstance(layer, nn.Linear)]


def hidden_matrices(model: Structured) -> set[str]:
    """Names of the weights of `transformer_linears`: the matrices that Muon may train."""
    weights = {id(layer.weight) for layer in transformer_linears(model)}
    return {name for name, value in model.named_parameters() if id(value) in weights}


HEAD = "head"


def freeze(model: Structured, only: Sequence[str]) -> None:
    """Let only these parts of `model` learn; all if none is named. Others get no gradients, and what comes before the
    first part that learns keeps no activations."""
    for name, values in parameters_by_part(model).items():
        for value in values:
            value.requires_grad_(not only or name in only)


def count_parameters(module: nn.Module) -> int:
    """Return how many parameters a model or an adapter has."""
    return sum(value.numel() for value in module.parameters())


def parameters_by_part(model: Structured) -> dict[str, list[nn.Parameter]]:
    """The parameters of every part that has any; those in no part are listed under `HEAD`."""
    parts = {name: list(part.parameters()) for name, part in model.parts().items()}
    known = {id(value) for values in parts.values() for value in values}
    parts[HEAD] = [value for value in model.parameters() if id(value) not in known]
    return {name: values for name, values in parts.items() if values}
