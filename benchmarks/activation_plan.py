"""The activation planner against what people do without one, and against torch's own knapsack.

`python -m benchmarks.activation_plan --json`; `--large` also plans the reference at 256, 512 and 1024 px, on tensors
without memory (two minutes). `--picture plan.png` draws one of its plans.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch._dynamo.backends.common import aot_autograd
from torch._functorch import config as functorch
from torch._functorch.partitioners import min_cut_rematerialization_partition
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.profiler import ProfilerActivity, profile

from majolica.config.schema import DecoderConfig, LossConfig, ModelConfig, RunConfig, TextConfig, TrainConfig
from majolica.distributed.activation.apply import Site, apply
from majolica.distributed.activation.chain import Chain, cost, peak
from majolica.distributed.activation.choices import CHOICES, Choice
from majolica.distributed.activation.flops import FORMULAS, flops
from majolica.distributed.activation.plan import Plan, plan_chain
from majolica.distributed.activation.solve import smallest_budget
from majolica.distributed.activation.step import step_of
from majolica.distributed.activation.trace import Step, chain_of, record, standing_gradients
from majolica.distributed.activation.usual import best_usual, usual
from majolica.models.layers import rope_2d
from majolica.models.trunk import Block
from majolica.recipes import recipe

SHARES = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75)
"""Budgets, between the smallest possible one and that which keeps everything."""
TORCH_BUDGETS = (1.0, 0.75, 0.5, 0.25, 0.1, 0.0)


def small_runs() -> dict[str, RunConfig]:
    """Runs that a CPU can also carry out, to compare what is predicted with what is measured."""
    model = ModelConfig(
        resolution=64,
        patch=8,
        width=128,
        heads=4,
        perception_depth=3,
        synthesis_depth=3,
        bottleneck=64,
        embed=128,
        text=TextConfig(vocab=512, length=24, width=128, depth=2, heads=4),
        decoder=DecoderConfig(width=16, depth=2),
    )
    train = TrainConfig(batch=16, accumulate=1, processes=1, precision="fp32")
    fine = LossConfig(fine_share=0.5, fine_scale=4)
    return {
        "fp32": RunConfig(model=model, train=train),
        "fp32, 4x decoder": RunConfig(model=model, loss=fine, train=train),
        "bf16, 4x decoder": RunConfig(model=model, loss=fine, train=replace(train, precision="bf16")),
        "bf16, accumulating": RunConfig(model=model, train=replace(train, accumulate=4, precision="bf16")),
        "demo": recipe("demo"),
    }


def large_runs() -> dict[str, RunConfig]:
    """The reference, its decoder on base pictures alone and on windows of larger ones."""
    reference = recipe("reference")
    return {
        "reference, 256 px": reference,
        "reference, windows of 512 px": replace(reference, loss=LossConfig(fine_share=1.0, fine_scale=2)),
        "reference, windows of 1024 px": replace(reference, loss=LossConfig(fine_share=1.0, fine_scale=4)),
        "reference, all of 512 px": replace(reference, model=replace(reference.model, resolution=512, patch=32)),
        "reference, all of 1024 px": replace(reference, model=replace(reference.model, resolution=1024, patch=64)),
        "reference, windows of 1024 px, one micro-step": replace(
            reference,
            loss=LossConfig(fine_share=1.0, fine_scale=4),
            train=replace(reference.train, accumulate=1, processes=1),
        ),
    }


def chain(config: RunConfig) -> Chain[Choice]:
    """Traced without memory."""
    with FakeTensorMode():
        return chain_of(step_of(config), CHOICES)


def budgets(links: Chain[Choice]) -> list[int]:
    """From nearly the smallest to nearly all."""
    least, most = smallest_budget(links), peak(links, ("keep",) * len(links.links))
    return [least + int(share * (most - least)) for share in SHARES]


def row(plan: Plan) -> dict[str, Any]:
    """One plan beside the best usual placement at its budget."""
    other = best_usual(plan.chain, plan.budget)
    return {
        "offloaded": plan.choices.count("offload"),
        "budget_mb": round(plan.budget / 1e6, 3),
        "peak_mb": round(plan.peak / 1e6, 3),
        "recomputed": round(plan.flops / plan.chain.flops, 5),
        "best_other": other[0] if other else None,
        "best_other_recomputed": round(other[1] / plan.chain.flops, 5) if other else None,
        "flops_over_best_other": round(plan.flops / other[1], 4) if other and other[1] else None,
    }


def without_offload(links: Chain[Choice]) -> Chain[Choice]:
    """The same chain, nothing off-loaded: then what a plan costs is recomputed FLOPs and no price of transfers."""
    kept = [replace(k, options={c: o for c, o in k.options.items() if c != "offload"}) for k in links.links]
    return replace(links, links=tuple(kept))


def measured(config: RunConfig) -> list[dict[str, Any]]:
    """Plans of a small run, carried out: off-loading below the least that recomputing needs, recomputing above."""
    links = chain(config)
    plain = without_offload(links)
    torch.manual_seed(0)
    step = step_of(config)
    plans = [plan_chain(plain, budget) for budget in budgets(plain)]
    below, least = smallest_budget(links), smallest_budget(plain)
    plans += [plan_chain(links, budget) for budget in ((below,) if below == least else (below, (below + least) // 2))]
    rows = []
    for plan in plans:
        took = record(step, plan.choices).peak + standing_gradients(step)
        rows.append(row(plan) | {"measured_mb": round(took / 1e6, 3), "peak_error": round(plan.peak / took - 1, 5)})
    return rows


class Trunk(nn.Module):
    """Six blocks of the trunk: what torch.compile is given."""

    def __init__(self, width: int = 128, depth: int = 6) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(width, 4) for _ in range(depth))

    def forward(self, x_BND: Tensor, modulation_B6D: Tensor, rope: Tensor) -> Tensor:
        for block in self.blocks:
            x_BND = block(x_BND, modulation_B6D, rope)
        return x_BND


def allocated(run: Any) -> int:
    """Peak of what the allocator gave beyond what there was, in bytes."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        run()
    events = [e for e in profiler.profiler.kineto_results.events() if e.name() == "[memory]"]
    live, most = 0, 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        live += event.nbytes()
        most = max(most, live)
    return most


@dataclass(frozen=True)
class Blocks:
    """Six blocks, what a step of them is, and what it costs to treat each one's activations in each way."""

    model: Trunk
    sites: list[Site]
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

    sites = [Site(str(index), block) for index, block in enumerate(model.blocks)]
    chain = chain_of(
        Step(model, sites, lambda: model(x, modulation, rope).square().mean(), [x, modulation, rope], standing=False),
        [choice for choice in CHOICES if choice != "offload"],
    )
    return Blocks(model, sites, step, chain)


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
            undo = apply(blocks.model, blocks.sites, plan.choices)
            took = allocated(lambda: blocks.step(blocks.model))
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
        return allocated(lambda: blocks.step(network)), products


def draw_frontier(links: Chain[Choice], torchs: list[dict[str, Any]], path: Path) -> None:
    """What each peak costs: our plans (a line), the usual placements, and torch's budgets as they were measured."""
    from matplotlib.figure import Figure

    least, most = smallest_budget(links), peak(links, ("keep",) * len(links.links))
    plans = [plan_chain(links, least + (most - least) * k // 60) for k in range(61)]
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    ours = [plan.peak / 1e6 for plan in plans], [100 * plan.flops / links.flops for plan in plans]
    axes.step(*ours, where="post", color="#4c9f70", label="planned")
    placements = usual(links).values()
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


def main() -> None:
    """Plan, carry out, compare, and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the JSON object alone")
    parser.add_argument("--large", action="store_true", help="plan the reference too")
    parser.add_argument("--picture", type=Path, help="where to draw a plan of the last run")
    parser.add_argument("--frontier", type=Path, help="where to draw what each peak costs: ours, the usual, torch's")
    options = parser.parse_args()
    torch.set_num_threads(1)
    small = {name: measured(config) for name, config in small_runs().items()}
    large, plan = {}, None
    for name, config in large_runs().items() if options.large else ():
        links = without_offload(chain(config))
        plans = [plan_chain(links, budget) for budget in (smallest_budget(links), *budgets(links))]
        large[name] = [row(plan) for plan in plans]
        plan = plans[3]
    if options.picture and plan:
        plan.draw(options.picture)
    blocks = six_blocks()
    torchs = knapsack(blocks)
    if options.frontier:
        draw_frontier(blocks.chain, torchs, options.frontier)
    rows = [entry for entries in small.values() for entry in entries]
    recomputing = [entry for entry in rows if not entry["offloaded"]]
    ratios = [e["flops_over_best_other"] for e in recomputing if e["flops_over_best_other"] is not None]
    result = {
        "flops_over_best_other": sorted(ratios)[len(ratios) // 2],
        "flops_over_best_other_worst": max(ratios),
        "peak_error": max(abs(entry["peak_error"]) for entry in rows),
        "over_budget": sum(entry["measured_mb"] > entry["budget_mb"] for entry in rows),
        "plans": len(rows),
        "no_other_fits": sum(entry["best_other"] is None for entry in recomputing),
        "torch_knapsack": torchs,
        "runs": small | large,
        "torch": torch.__version__,
        "device": f"cpu, 1 of {os.cpu_count()} cores, {platform.machine()}",
    }
    if not options.json:
        for name, entries in result["runs"].items():
            print(name, *(json.dumps(entry) for entry in entries), sep="\n  ")
        print("torch", *(json.dumps(entry) for entry in result["torch_knapsack"]), sep="\n  ")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
