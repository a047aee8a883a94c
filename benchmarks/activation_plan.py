"""The activation planner against what people do without one, and against torch's own knapsack.

`python -m benchmarks.activation_plan --json`; `--large` also plans the reference at 256, 512 and 1024 px, on tensors
without memory (two minutes). `--picture plan.png` draws one of its plans. `--device cuda` carries plans of real sizes
out on a GPU, and compares nothing with torch's knapsack.

Every peak is given by two counters: `counted_mb` is the sum of the live tensors, which is what a plan predicts;
`allocator_mb` is what torch's allocator gave out, kernels' temporary memory included, which is what has to fit.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from benchmarks.allocator import measure_peak
from benchmarks.knapsack import draw_frontier, knapsack, six_blocks
from benchmarks.timing import time_call
from benchmarks.usual import best_usual_placement
from majolica.activation.apply import apply_choices
from majolica.activation.chain import Chain, peak
from majolica.activation.chain_builder import Step, persistent_gradient_bytes, record, trace_chain
from majolica.activation.choices import CHOICES, Choice
from majolica.activation.margin import Margin, margin_on
from majolica.activation.plan import ActivationPlan, plan_chain
from majolica.activation.solve import smallest_budget
from majolica.activation.step import build_step
from majolica.config.fitting import settle_open_options
from majolica.config.loss import LossConfig
from majolica.config.model import DecoderConfig, ModelConfig, TextConfig
from majolica.config.run import RunConfig
from majolica.config.training import TrainConfig
from majolica.recipes import recipe

SHARES = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75)
"""Budgets, between the smallest possible one and that which keeps everything."""


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
    fine = LossConfig(fine_share=0.5, fine_scales=(4,))
    return {
        "fp32": RunConfig(model=model, train=train),
        "fp32, 4x decoder": RunConfig(model=model, loss=fine, train=train),
        "bf16, 4x decoder": RunConfig(model=model, loss=fine, train=replace(train, precision="bf16")),
        "bf16, accumulating": RunConfig(model=model, train=replace(train, accumulate=4, precision="bf16")),
        "demo": settle_open_options(recipe("demo"), 1, "fp32"),
    }


def large_runs() -> dict[str, RunConfig]:
    """The reference, its decoder on base pictures alone and on windows of larger ones."""
    reference = recipe("reference")
    return {
        "reference, 256 px": reference,
        "reference, windows of 512 px": replace(reference, loss=LossConfig(fine_share=1.0, fine_scales=(2,))),
        "reference, windows of 1024 px": replace(reference, loss=LossConfig(fine_share=1.0, fine_scales=(4,))),
        "reference, all of 512 px": replace(reference, model=replace(reference.model, resolution=512, patch=32)),
        "reference, all of 1024 px": replace(reference, model=replace(reference.model, resolution=1024, patch=64)),
        "reference, windows of 1024 px, one micro-step": replace(
            reference,
            loss=LossConfig(fine_share=1.0, fine_scales=(4,)),
            train=replace(reference.train, accumulate=1, processes=1),
        ),
    }


def chain(config: RunConfig) -> Chain[Choice]:
    """Traced without memory."""
    with FakeTensorMode():
        return trace_chain(build_step(config), CHOICES)


def budgets(links: Chain[Choice], margin: Margin) -> list[int]:
    """From nearly the smallest to nearly all."""
    peaks = smallest_budget(links), peak(links, ("keep",) * len(links.links))
    least, most = (margin.budget_for(tensors) for tensors in peaks)
    return [least + int(share * (most - least)) for share in SHARES]


def row(plan: ActivationPlan) -> dict[str, Any]:
    """One plan beside the best usual placement at its budget."""
    other = best_usual_placement(plan.chain, plan.budget)
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


def gpu_runs() -> dict[str, RunConfig]:
    """Runs of real sizes, which a GPU of 80 GB can carry out with everything kept."""
    small, large = recipe("small"), recipe("large")
    alone = replace(small.train, batch=128, accumulate=1, processes=1, precision="bf16")
    few = replace(large.train, batch=16, accumulate=4, processes=1, precision="bf16")
    return {
        "small, fp32": replace(small, train=replace(alone, precision="fp32", batch=64)),
        "small, bf16": replace(small, train=alone),
        "small, bf16, 4x decoder": replace(
            small, loss=LossConfig(fine_share=1.0, fine_scales=(4,)), train=replace(alone, batch=64)
        ),
        "large, bf16, accumulating": replace(large, train=few),
    }


def measure_plans(config: RunConfig, device: str) -> list[dict[str, Any]]:
    """Plans of a run, carried out: off-loading below the least that recomputing needs, recomputing above."""
    links = chain(config)
    plain = without_offload(links)
    torch.manual_seed(0)
    step = build_step(config, device)
    margin = margin_on(device, config.train.precision, len(links.links))
    plans = [plan_chain(plain, budget, margin) for budget in budgets(plain, margin)]
    below, least = (margin.budget_for(smallest_budget(found)) for found in (links, plain))
    between = (below,) if below == least else (below, (below + least) // 2)
    plans += [plan_chain(links, budget, margin) for budget in between]
    return [row(plan) | execute_plan(step, plan, device) for plan in plans]


def execute_plan(step: Step, plan: ActivationPlan, device: str) -> dict[str, Any]:
    """What a plan takes when it is carried out, by both counters; on a GPU also its time, to the end of the step."""
    counted = record(step, plan.choices).peak + persistent_gradient_bytes(step)

    def run() -> None:
        step.forward().backward()  # type: ignore[no-untyped-call]

    def fresh() -> None:
        for value in step.model.parameters():
            value.grad = torch.zeros_like(value) if step.gradients_persist else None

    undo = apply_choices(step.model, step.calls, plan.choices)
    fresh()
    run()  # libraries take their workspaces once
    fresh()
    took = measure_peak(run, device) + persistent_gradient_bytes(step)
    found = {"counted_mb": round(counted / 1e6, 3), "peak_error": round(plan.peak / counted - 1, 5)}
    if device == "cuda" or "offload" not in plan.choices:  # on a CPU the host's copies come from the same allocator
        found |= {"allocator_mb": round(took / 1e6, 3), "allocator_over_peak": round(took / plan.peak - 1, 5)}
    if device == "cuda":
        found["seconds"] = round(statistics.median(time_call(run, torch.device(device)) for _ in range(5)), 4)
    undo()
    step.model.zero_grad(set_to_none=True)
    return found


def main() -> None:
    """Plan, carry out, compare, and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the JSON object alone")
    parser.add_argument("--large", action="store_true", help="plan the reference too")
    parser.add_argument("--picture", type=Path, help="where to draw a plan of the last run")
    parser.add_argument("--frontier", type=Path, help="where to draw what each peak costs: ours, the usual, torch's")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where plans are carried out")
    parser.add_argument("--only", default="", help="carry out only the runs whose name contains this")
    options = parser.parse_args()
    torch.set_num_threads(1)
    runs = gpu_runs() if options.device == "cuda" else small_runs()
    small = {name: measure_plans(config, options.device) for name, config in runs.items() if options.only in name}
    large, plan = {}, None
    for name, config in large_runs().items() if options.large else ():
        links = without_offload(chain(config))
        margin = margin_on("cuda", config.train.precision, len(links.links))
        least = margin.budget_for(smallest_budget(links))
        plans = [plan_chain(links, b, margin) for b in (least, *budgets(links, margin))]
        large[name] = [row(plan) for plan in plans]
        plan = plans[3]
    if options.picture and plan:
        plan.draw(options.picture)
    blocks = six_blocks()
    torchs = knapsack(blocks) if options.device == "cpu" else []
    if options.frontier and torchs:
        draw_frontier(blocks.chain, torchs, options.frontier)
    rows = [entry for entries in small.values() for entry in entries]
    recomputing = [entry for entry in rows if not entry["offloaded"]]
    ratios = [e["flops_over_best_other"] for e in recomputing if e["flops_over_best_other"] is not None]
    result = {
        "flops_over_best_other": sorted(ratios)[len(ratios) // 2],
        "flops_over_best_other_worst": max(ratios),
        "peak_error": max(abs(entry["peak_error"]) for entry in rows),
        "over_budget_counted": sum(entry["counted_mb"] > entry["budget_mb"] for entry in rows),
        "over_budget_by_allocator": sum(entry.get("allocator_mb", 0) > entry["budget_mb"] for entry in rows),
        "allocator_over_peak_most": max(entry.get("allocator_over_peak", 0) for entry in rows),
        "plans": len(rows),
        "no_other_fits": sum(entry["best_other"] is None for entry in recomputing),
        "torch_knapsack": torchs,
        "runs": small | large,
        "torch": torch.__version__,
        "device": torch.cuda.get_device_name()
        if options.device == "cuda"
        else f"cpu, 1 of {os.cpu_count()} cores, {platform.machine()}",
    }
    if not options.json:
        for name, entries in result["runs"].items():
            print(name, *(json.dumps(entry) for entry in entries), sep="\n  ")
        print("torch", *(json.dumps(entry) for entry in result["torch_knapsack"]), sep="\n  ")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
