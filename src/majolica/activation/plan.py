"""The plan of a run: which block does what, and how much memory that takes over the step."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from majolica.activation.chain import Chain, Moment, cost, moments, peak
from majolica.activation.choices import CHOICES, Choice
from majolica.activation.margin import NONE, Margin, margin_on
from majolica.activation.picture import draw
from majolica.activation.solve import smallest_budget, solve
from majolica.activation.step import step_of
from majolica.activation.trace import chain_of
from majolica.config.run import RunConfig
from majolica.errors import UserError

TRAINING_OPTION = "--train.activation-gb"
"""The option of `majolica train` that gives the budget."""


@dataclass(frozen=True)
class ActivationPlan:
    """Choices for the blocks of a chain, within a budget. All memory in bytes, gradients included."""

    chain: Chain[Choice]
    choices: tuple[Choice, ...]
    budget: int

    @property
    def peak(self) -> int:
        """Bytes of tensors, counted: the most of a micro-step beyond weights, optimiser state and averaged weights.

        What the allocator holds beside them is not in it.
        """
        return peak(self.chain, self.choices)

    @property
    def flops(self) -> int:
        """What is recomputed per micro-step; a byte that is off-loaded counts as `trace.OFFLOAD_PRICE`."""
        return cost(self.chain, self.choices)

    @property
    def moments(self) -> list[Moment]:
        """Memory over the step."""
        return list(moments(self.chain, self.choices))

    def __str__(self) -> str:
        counts = ", ".join(f"{number} {choice}" for choice, number in Counter(self.choices).items())
        share = self.flops / self.chain.flops
        return (
            f"activations: {self.peak / 1e9:.3g} GB of tensors in a budget of {self.budget / 1e9:.3g} GB, "
            f"{share:.1%} recomputed ({counts})"
        )

    def to_json(self) -> str:
        """Everything a reader needs, one line per block and per pass."""
        blocks = [
            {"block": link.name, "choice": choice, **asdict(link.options[choice])}
            for link, choice in zip(self.chain.links, self.choices, strict=True)
        ]
        head = {
            "budget_bytes": self.budget,
            "peak_bytes": self.peak,
            "smallest_budget_bytes": smallest_budget(self.chain),
            "keep_all_bytes": peak(self.chain, _all("keep", self.chain)),
            "recompute_flops": self.flops,
            "step_flops": self.chain.flops,
        }
        lists = {"blocks": blocks, "memory": [asdict(moment) for moment in self.moments]}
        lines = [f" {json.dumps(name)}: {value}" for name, value in head.items()]
        for name, entries in lists.items():
            lines.append(f" {json.dumps(name)}: [\n" + ",\n".join(f"  {json.dumps(e)}" for e in entries) + "\n ]")
        return "{\n" + ",\n".join(lines) + "\n}\n"

    def draw(self, path: Path) -> None:
        """A picture of memory over the step (.png, .svg, .pdf); UserError where matplotlib is missing."""
        draw(self.moments, self.choices, self.budget, path)


def _all(choice: Choice, chain: Chain[Choice]) -> tuple[Choice, ...]:
    return (choice,) * len(chain.links)


def plan_for(
    config: RunConfig,
    budget_bytes: int,
    choices: Sequence[Choice] = CHOICES,
    device: str = "cuda",
    option: str = TRAINING_OPTION,
) -> ActivationPlan:
    """The cheapest plan for a micro-step of `config` that torch's allocator gives no more than `budget_bytes` for.

    The budget is for activations, gradients and all else that a micro-step takes beyond weights, optimiser state and
    averaged weights on a `device` of that kind. The step is traced on tensors without memory: any model can be planned
    anywhere. UserError names the smallest budget for `option`, which the user gave, where this one is smaller.
    """
    with torch.random.fork_rng(devices=[]), FakeTensorMode():
        chain = chain_of(step_of(config), choices)
    return plan_chain(chain, budget_bytes, margin_on(device, config.train.precision, len(chain.links)), option)


def plan_chain(
    chain: Chain[Choice], budget: int, margin: Margin = NONE, option: str = TRAINING_OPTION
) -> ActivationPlan:
    """The cheapest plan for a chain whose tensors leave `margin` of the budget.

    UserError names the smallest budget for `option`, rounded up to four digits, where this one is smaller.
    """
    found = solve(chain, margin.left(budget))
    if found is None:
        least = _rounded_up(margin.needed(smallest_budget(chain)) / 1e9)
        lower = ", or a smaller --train.batch" * (option == TRAINING_OPTION)
        raise UserError(
            f"{option} {budget / 1e9:.4g} is too small, for activations and gradients take more however they are"
            f" planned: give {option} {least} or more{lower}"
        )
    return ActivationPlan(chain, found, budget)


def _rounded_up(value: float) -> str:
    """A positive number to four digits, no less than it is, without an exponent."""
    digits = 3 - math.floor(math.log10(value))
    return f"{math.ceil(value * 10**digits) / 10**digits:.{max(0, digits)}f}"
