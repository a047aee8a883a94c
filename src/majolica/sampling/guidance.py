"""Classifier-free guidance with a weight for the text, one for a reference picture and one for each property.

The prediction is pushed away from the one that is made without a condition (Ho and Salimans,
"Classifier-free diffusion guidance", 2022), first for the text, then for the reference and then for the
properties (Brooks, Holynski and Efros, "InstructPix2Pix", CVPR 2023, has the same formula for text and
picture). One weight for all properties makes them disturb each other (arXiv 2506.14399), so each may have its own.

Shapes: B rows, P properties, 3 colours, H and W pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from majolica.errors import UserError
from majolica.models.conditions import Condition
from majolica.properties.registry import can_project, choose_measured, find_property
from majolica.sampling.inputs import read_weight

PropertyWeights = float | Mapping[str, float] | None
"""One weight for all properties, or weights by name; the others, and all if it is None, have the usual one."""


TOKENS_ALONE = 3.0
"""The usual weight of a property that is measured on pixels and that projection cannot follow."""


@dataclass(frozen=True)
class Guidance:
    """The weights of text, reference and properties in classifier-free guidance.

    Where no property has a weight of its own, they are `text`, `reference` and `properties` in v =
    v(none) + text (v(text) - v(none)) + reference (v(text, picture) - v(text)) + properties (v(text,
    picture, properties) - v(text, picture)). A property p with a weight w of its own is left out of
    `properties` there, and adds w (v(text, picture, p) - v(text, picture)). Without a picture its
    term is 0.

    The formula is applied to predicted images, at all times of the flow (ADR 078). That comes to the
    same, because the velocity v is an affine function of the predicted image where z and t are given,
    and the coefficients of the predictions sum to 1.
    """

    text: float = 2.0
    properties: float = 2.0
    own: tuple[tuple[int, float], ...] = ()
    """The place of a property in `ModelConfig.properties`, and its own weight."""
    reference: float = 2.0

    @property
    def largest(self) -> float:
        """The largest of all weights."""
        return max(self.text, self.properties, self.reference, *(weight for _, weight in self.own))


@dataclass(frozen=True)
class Branch:
    """A condition under which the image is predicted, and the factor of this prediction."""

    condition: Condition
    factor: float


def read_guidance(
    text: float, properties: PropertyWeights, names: Sequence[str] = (), reference: float | None = None
) -> Guidance:
    """The weights from what a caller gives, for a model with the properties `names`.

    Text guidance of 1 turns all guidance off, including that of properties and of the reference, unless
    their weights are given too. Raises UserError for what cannot be a weight, and for unknown properties.
    """
    weight = read_weight(text, "guidance")
    pictured = _read_reference_weight(reference, weight)
    if properties is not None and not isinstance(properties, Mapping):
        return Guidance(weight, read_weight(properties, "property guidance"), reference=pictured)
    usual, own = Guidance.properties, {names.index(name): TOKENS_ALONE for name in _left_to_tokens(names)}
    if weight == 1:
        usual, own = 1.0, {}
    for name, given in (properties or {}).items():
        if name not in names:
            find_property(str(name))  # refuses what no property is called
            raise UserError(f"{name} has no weight of guidance, because this run was not trained with it: leave it out")
        own[names.index(name)] = read_weight(given, f"guidance of {name}")
    return Guidance(weight, usual, tuple(sorted(own.items())), reference=pictured)


def _read_reference_weight(given: float | None, text: float) -> float:
    if given is None:
        return 1.0 if text == 1 else Guidance.reference
    return read_weight(given, "reference guidance")


def _left_to_tokens(names: Sequence[str]) -> list[str]:
    """Those of the properties that are measured on pixels and cannot be projected."""
    return [name for name in choose_measured(names) if not can_project(name)]


def parse_property_weights(text: str | None) -> PropertyWeights:
    """Read `1.5`, or `brightness=2,contrast=1` as weights by name; UserError for anything else."""
    if text is None:
        return None
    words = [word.strip() for word in text.split(",")]
    if len(words) == 1 and "=" not in words[0]:
        return read_weight(words[0], "property guidance")
    weights: dict[str, float] = {}
    for word in words:
        name, equals, value = (part.strip() for part in word.partition("="))
        if not equals or not name:
            raise UserError(f"property guidance {text}: give one number, or weights by name as in brightness=2,hue=1.5")
        if name in weights:
            raise UserError(f"property guidance {text}: {name} is given twice")
        weights[name] = read_weight(value, f"guidance of {name}")
    return weights


def list_branches(asked: Condition, weights: Guidance) -> list[Branch]:
    """The predictions that guidance needs; their factors sum to 1, and none is 0."""
    has_BP = asked.has_value_BP
    own = [(place, weight) for place, weight in weights.own if bool(has_BP[:, place].any())]
    shared_BP = has_BP.clone()
    shared_BP[:, [place for place, _ in own]] = False
    groups = [(_only(has_BP, place), weight) for place, weight in own]
    if bool(shared_BP.any()):
        groups.append((shared_BP, weights.properties))
    bare = replace(asked, has_value_BP=torch.zeros_like(has_BP))
    by_groups = sum(weight for _, weight in groups)
    branches = [
        Branch(asked, 0.0),
        *(Branch(replace(asked, has_value_BP=mask_BP), weight) for mask_BP, weight in groups),
    ]
    if asked.reference is None:
        branches.append(Branch(bare, weights.text - by_groups))
    else:
        branches.append(Branch(bare, weights.reference - by_groups))
        bare = replace(bare, reference=asked.reference.hide())
        branches.append(Branch(bare, weights.text - weights.reference))
    without_text = torch.zeros_like(asked.has_text_B)
    return _merge([*branches, Branch(replace(bare, has_text_B=without_text), 1 - weights.text)])


def _only(has_BP: Tensor, place: int) -> Tensor:
    """`has_BP` with all properties hidden but one."""
    mask_BP = torch.zeros_like(has_BP)
    mask_BP[:, place] = has_BP[:, place]
    return mask_BP


def _merge(branches: Sequence[Branch]) -> list[Branch]:
    """The branches without those that repeat the first, whose factors it gets, and without those that do not count."""
    first, *others = branches
    factor, kept = first.factor, []
    for branch in others:
        if _same(branch.condition, first.condition):
            factor += branch.factor
        else:
            kept.append(branch)
    return [branch for branch in (Branch(first.condition, factor), *kept) if branch.factor]


def _same(one: Condition, other: Condition) -> bool:
    pictures = [each.reference.present_B for each in (one, other) if each.reference]
    if len(pictures) == 2 and not torch.equal(*pictures):
        return False
    return torch.equal(one.has_value_BP, other.has_value_BP) and torch.equal(one.has_text_B, other.has_text_B)


def guide(images: Sequence[Tensor], branches: Sequence[Branch]) -> Tensor:
    """The predicted image under guidance, `B3HW`, from the images that are predicted for each of the branches."""
    if len(branches) == 1:
        return images[0]
    out = torch.zeros_like(images[0])
    for image_B3HW, branch in zip(images, branches, strict=True):
        out.add_(image_B3HW, alpha=branch.factor)
    return out
