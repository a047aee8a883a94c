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

from majolica.config.schema import RunConfig
from majolica.distributed.activation.chain import Chain, Moment, cost, moments, peak
from majolica.distributed.activation.choices import CHOICES, Choice
from majolica.distributed.activation.picture import draw
from majolica.distributed.activation.solve import smallest_budget, solve
from majolica.distributed.activation.step import step_of
from majolica.distributed.activation.trace import chain_of
from majolica.errors import UserError


@dataclass(frozen=True)
class Plan:
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
            "smallest_budget_bytes": smallest_budget_with_margin(self.chain),
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


MARGIN = 0.02
"""Share of a budget that is left for what kernels take for a moment and no operator shows (docs/adr/040)."""

BESIDE = 8192
"""Bytes of it for each call of a block: the random state that checkpointing keeps, and the allocator's rounding."""


def _all(choice: Choice, chain: Chain[Choice]) -> tuple[Choice, ...]:
    return (choice,) * len(chain.links)


def plan_for(config: RunConfig, budget_bytes: int, choices: Sequence[Choice] = CHOICES) -> Plan:
    """The cheapest plan for a micro-step of `config` that torch's allocator gives no more than `budget_bytes` for.

    The budget is for activations, gradients and all else that a micro-step takes beyond weights, optimiser state and
    averaged weights. The step is traced on tensors without memory: any model can be planned anywhere. UserError
    names the smallest possible budget where this one is smaller.
    """
    with torch.random.fork_rng(devices=[]), FakeTensorMode():
        chain = chain_of(step_of(config), choices)
    return plan_with_margin(chain, budget_bytes)


def plan_with_margin(chain: Chain[Choice], budget: int) -> Plan:
    """The cheapest plan for a chain whose tensors leave a margin of `budget` for what the allocator holds beside them.

    UserError names the smallest possible budget where this one is smaller.
    """
    choices = solve(chain, int(budget * (1 - MARGIN)) - BESIDE * len(chain.links))
    return _plan(chain, choices, budget, smallest_budget_with_margin(chain))


def smallest_budget_with_margin(chain: Chain[Choice]) -> int:
    """The smallest budget in bytes that `plan_with_margin` takes."""
    return math.ceil((smallest_budget(chain) + BESIDE * len(chain.links)) / (1 - MARGIN))


def plan_chain(chain: Chain[Choice], budget: int) -> Plan:
    """The cheapest plan for a chain whose tensors fill all of `budget`; UserError names the smallest possible one."""
    return _plan(chain, solve(chain, budget), budget, smallest_budget(chain))


def _plan(chain: Chain[Choice], choices: tuple[Choice, ...] | None, budget: int, least: int) -> Plan:
    if choices is None:
        raise UserError(
            f"no activation plan fits in {budget / 1e9:.9g} GB: train.activation_gb must be at least {least / 1e9:.9f} "
            f"({least} bytes, gradients included); or lower train.batch"
        )
    return Plan(chain, choices, budget)
