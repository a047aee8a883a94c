"""Planning the activations of a run: the choice for each block, and the memory over the step."""

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
from majolica.activation.chain_builder import trace_chain
from majolica.activation.choices import CHOICES, Choice
from majolica.activation.margin import NO_MARGIN, Margin, margin_on
from majolica.activation.picture import draw_plan
from majolica.activation.solve import smallest_budget, solve
from majolica.activation.step import build_step
from majolica.config.run import RunConfig
from majolica.errors import UserError

TRAINING_OPTION = "--train.activation-gb"
"""The option of `majolica train` that gives the budget."""


@dataclass(frozen=True)
class ActivationPlan:
    """The choices for the blocks of a chain. Memory is in bytes and includes gradients."""

    chain: Chain[Choice]
    choices: tuple[Choice, ...]
    budget: int

    @property
    def peak(self) -> int:
        """The predicted peak of a micro-step beyond weights, optimiser state and averaged weights.

        It is the sum of live tensors. The allocator holds more, see `Margin`.
        """
        return peak(self.chain, self.choices)

    @property
    def flops(self) -> int:
        """FLOPs recomputed per micro-step; an off-loaded byte counts as `chain_builder.OFFLOAD_PRICE`."""
        return cost(self.chain, self.choices)

    @property
    def moments(self) -> list[Moment]:
        """The memory of every pass of the step, in the order of execution."""
        return list(moments(self.chain, self.choices))

    def __str__(self) -> str:
        counts = ", ".join(f"{number} {choice}" for choice, number in Counter(self.choices).items())
        share = self.flops / self.chain.flops
        return (
            f"activations: {self.peak / 1e9:.3g} GB of tensors in a budget of {self.budget / 1e9:.3g} GB, "
            f"{share:.1%} recomputed ({counts})"
        )

    def to_json(self) -> str:
        """Return the plan as JSON, with one line per block and per pass."""
        blocks = [
            {"block": link.name, "choice": choice, **asdict(link.options[choice])}
            for link, choice in zip(self.chain.links, self.choices, strict=True)
        ]
        head = {
            "budget_bytes": self.budget,
            "peak_bytes": self.peak,
            "smallest_budget_bytes": smallest_budget(self.chain),
            "keep_all_bytes": peak(self.chain, _repeat("keep", self.chain)),
            "recompute_flops": self.flops,
            "step_flops": self.chain.flops,
        }
        lists = {"blocks": blocks, "memory": [asdict(moment) for moment in self.moments]}
        lines = [f" {json.dumps(name)}: {value}" for name, value in head.items()]
        for name, entries in lists.items():
            lines.append(f" {json.dumps(name)}: [\n" + ",\n".join(f"  {json.dumps(e)}" for e in entries) + "\n ]")
        return "{\n" + ",\n".join(lines) + "\n}\n"

    def draw(self, path: Path) -> None:
        """Draw the memory over the step into `path` (.png, .svg or .pdf).

        Raises UserError if matplotlib is missing.
        """
        draw_plan(self.moments, self.choices, self.budget, path)


def _repeat(choice: Choice, chain: Chain[Choice]) -> tuple[Choice, ...]:
    return (choice,) * len(chain.links)


def plan_for(
    config: RunConfig,
    budget_bytes: int,
    choices: Sequence[Choice] = CHOICES,
    device: str = "cuda",
    option: str = TRAINING_OPTION,
) -> ActivationPlan:
    """Return the cheapest plan for a micro-step of `config` within `budget_bytes`.

    The budget is what torch's allocator may give out. It covers activations, gradients and
    everything else that a micro-step takes beyond weights, optimiser state and averaged weights on
    a `device` ("cuda" or "cpu"). The step is traced on tensors without memory, so any model can be
    planned on any machine. If no plan keeps to the budget, raises UserError, which names `option`
    and the smallest budget that it can be given.
    """
    with torch.random.fork_rng(devices=[]), FakeTensorMode():
        chain = trace_chain(build_step(config), choices)
    return plan_chain(chain, budget_bytes, margin_on(device, config.train.precision, len(chain.links)), option)


def plan_chain(
    chain: Chain[Choice], budget: int, margin: Margin = NO_MARGIN, option: str = TRAINING_OPTION
) -> ActivationPlan:
    """Return the cheapest plan for a chain whose tensors leave `margin` of the budget (bytes) free.

    If there is none, raises UserError, which names `option` and the smallest budget for it, rounded
    up to four digits.
    """
    choices = solve(chain, margin.available(budget))
    if choices is None:
        least = _round_up(margin.budget_for(smallest_budget(chain)) / 1e9)
        lower = ", or a smaller --train.batch" * (option == TRAINING_OPTION)
        raise UserError(
            f"{option} {budget / 1e9:.4g} is too small, for activations and gradients take more however they are"
            f" planned: give {option} {least} or more{lower}"
        )
    return ActivationPlan(chain, choices, budget)


def _round_up(value: float) -> str:
    """Return a positive number rounded up to four significant digits, without an exponent."""
    digits = 3 - math.floor(math.log10(value))
    return f"{math.ceil(value * 10**digits) / 10**digits:.{max(0, digits)}f}"
