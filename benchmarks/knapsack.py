"""torch's activation_memory_budget on six blocks of the trunk, measured, and our plans of the same blocks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch._dynamo.backends.common import aot_autograd
from torch._functorch import config as functorch
from torch._functorch.partitioners import min_cut_rematerialization_partition

from benchmarks.allocator import measure_peak
from benchmarks.usual import usual_placements
from majolica.activation.apply import apply_choices
from majolica.activation.chain import Chain, cost, peak
from majolica.activation.chain_builder import Step, trace_chain
from majolica.activation.choices import CHOICES, Choice
from majolica.activation.flops import FORMULAS, flops
from majolica.activation.plan import plan_chain
from majolica.activation.solve import smallest_budget
from majolica.models.layers import rope_2d
from majolica.models.parts import BlockCall
from majolica.models.trunk import Block

TORCH_BUDGETS = (1.0, 0.75, 0.5, 0.25, 0.1, 0.0)


class Trunk(nn.Module):
    """Six blocks of the trunk: what torch.compile is given."""

    def __init__(self, width: int = 128, depth: int = 6) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(width, 4) for _ in range(depth))

    def forward(self, x_BND: Tensor, modulation_B6D: Tensor, rope: Tensor) -> Tensor:
        for block in self.blocks:
            x_BND = block(x_BND, modulation_B6D, rope)
        return x_BND


@dataclass(frozen=True)
class Blocks:
    """Six blocks, what a step of them is, and what it costs to treat each one's activations in each way."""

    model: Trunk
    calls: list[BlockCall]
    step: Callable[[Any], None]
    """Of the model, or of what a compiler made of it."""
    chain: Chain[Choice]


def six_blocks() -> Blocks:
    """16 rows of 64 tokens, width 128."""
    torch.manual_seed(0)
    model, rope = Trunk(), rope_2d((8, 8), 32)
    x, modulation = torch.randn(16, 64, 128, requires_grad=True), torch.randn(16, 6, 128)

    def step(network: Any) -> None:
        network(x, modulation, rope).square().mean().backward()
        model.zero_grad(set_to_none=True)
        x.grad = None

    calls = [BlockCall(str(index), block, "transformer") for index, block in enumerate(model.blocks)]
    inputs = [x, modulation, rope]
    chain = trace_chain(
        Step(model, calls, lambda: model(*inputs).square().mean(), inputs, gradients_persist=False),
        [choice for choice in CHOICES if choice != "offload"],
    )
    return Blocks(model, calls, step, chain)


def knapsack(blocks: Blocks) -> list[dict[str, Any]]:
    """torch's activation_memory_budget on them: peak and recomputed products, and our plan at the same peak."""
    ours = blocks.chain
    found = [compiled_step(budget, blocks) for budget in TORCH_BUDGETS]
    base = found[0][1]
    rows = []
    for budget, (most, products) in zip(TORCH_BUDGETS, found, strict=True):
        plan = plan_chain(ours, most) if most >= smallest_budget(ours) else None
        took = None
        if plan:
            undo = apply_choices(blocks.model, blocks.calls, plan.choices)
            took = measure_peak(lambda: blocks.step(blocks.model))
            undo()
        rows.append(
            {
                "activation_memory_budget": budget,
                "peak_mb": round(most / 1e6, 3),
                "recomputed_products": round((products - base) / ours.flops, 4),
                "ours_recomputed_at_that_peak": round(plan.flops / ours.flops, 4) if plan else None,
                "ours_measured_mb": round(took / 1e6, 3) if took else None,
            }
        )
    return rows


def compiled_step(budget: float, blocks: Blocks) -> tuple[int, int]:
    """Measured peak in bytes and FLOPs of products of a step partitioned by torch under a budget."""
    torch._dynamo.reset()
    products = 0

    def count(graph: fx.GraphModule, example: Any) -> Any:
        nonlocal products
        for node in graph.graph.nodes:
            if getattr(node.target, "_overloadpacket", None) in FORMULAS:
                args, kwargs = fx.map_arg((node.args, node.kwargs), lambda n: n.meta["val"])
                products += flops(node.target, args, kwargs, node.meta["val"])
        return graph

    backend = aot_autograd(fw_compiler=count, bw_compiler=count, partition_fn=min_cut_rematerialization_partition)
    with functorch.patch(activation_memory_budget=budget, activation_memory_budget_runtime_estimator="flops"):
        network = torch.compile(blocks.model, backend=backend)
        blocks.step(network)
        return measure_peak(lambda: blocks.step(network)), products


def draw_frontier(links: Chain[Choice], torchs: list[dict[str, Any]], path: Path) -> None:
    """What each peak costs: our plans (a line), the usual placements, and torch's budgets as they were measured."""
    from matplotlib.figure import Figure

    least, most = smallest_budget(links), peak(links, ("keep",) * len(links.links))
    plans = [plan_chain(links, least + (most - least) * k // 60) for k in range(61)]
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    ours = [plan.peak / 1e6 for plan in plans], [100 * plan.flops / links.flops for plan in plans]
    axes.step(*ours, where="post", color="#4c9f70", label="planned")
    placements = usual_placements(links).values()
    others = [peak(links, c) / 1e6 for c in placements], [100 * cost(links, c) / links.flops for c in placements]
    axes.scatter(*others, s=14, color="#d1495b", label="uniform, full, every k-th, first k, last k")
    axes.scatter(
        [entry["peak_mb"] for entry in torchs],
        [100 * entry["recomputed_products"] for entry in torchs],
        marker="x",
        color="black",
        label="torch's activation_memory_budget (products alone)",
    )
    axes.set(xlabel="peak of the step, MB", ylabel="recomputed, % of the step's FLOPs", ylim=(-1, None))
    axes.legend(fontsize=8, frameon=False)
    figure.savefig(path, dpi=150)
