"""Estimating memory, time and cost of a run from its trace and a GPU's data sheet."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from majolica.activation.plan import ActivationPlan
from majolica.config.fitting import settle_open_options
from majolica.config.run import RunConfig
from majolica.errors import UserError
from majolica.estimate.evaluation import estimate_evaluation
from majolica.estimate.figures import Estimate
from majolica.estimate.trace import Trace
from majolica.gpus import Gpu
from majolica.plurals import counted, plural

NODE = 8
"""GPUs that share a node."""
LINK_SHARE = 0.8
"""Share of a link's data-sheet bandwidth that an all-reduce reaches."""
PAIR_MB = 0.1
"""Size of a stored picture with its caption, 10^6 bytes."""
EXPOSED = "what the last backward pass does not hide of the reduction, and all of the broadcast"


@dataclass(frozen=True)
class Assumptions:
    """Values that a trace cannot tell, so the user gives them."""

    mfu: float
    """Model FLOP utilisation while computing: the FLOP/s reached, over the GPU's peak."""
    price: float
    """Price of one GPU for one hour, in any currency."""


def on_gpus(config: RunConfig, gpus: int) -> RunConfig:
    """Return `config` for another number of GPUs, with the micro-steps that keep the global batch.

    If `config` leaves precision and processes to the machine, they become bf16 and one process per
    GPU, or one process if the GPUs cannot share the rows evenly. Raises UserError if no number of
    micro-steps keeps the global batch.
    """
    divisible = gpus > 0 and config.train.batch % gpus == 0
    config = settle_open_options(config, gpus if divisible else 1, "bf16")
    train = config.train
    rows, micro_step_rows = train.batch * train.accumulate * train.processes, train.batch * gpus
    if gpus < 1 or rows % micro_step_rows:
        fits = [n for n in range(1, rows // train.batch + 1) if rows % (train.batch * n) == 0]
        nearest = min(fits, key=lambda n: abs(n - gpus))
        raise UserError(
            f"--gpus {gpus}: {counted(rows, 'row')} {plural(rows, 'does', 'do')} not split into micro-steps of"
            f" {counted(train.batch, 'row')} a GPU; try {nearest}"
        )
    changes = {"processes": gpus, "accumulate": rows // micro_step_rows}
    return dataclasses.replace(config, train=dataclasses.replace(train, **changes))  # type: ignore[arg-type]


def estimate_run(
    config: RunConfig, traced: Trace, gpu: Gpu, given: Assumptions, planned: ActivationPlan | None = None
) -> list[Estimate]:
    """Return all figures of a run; activations are checkpointed as in `planned`, if it is given."""
    return [
        *estimate_model(config, traced),
        *estimate_memory(config, traced, gpu, planned),
        *estimate_time(config, traced, gpu, given, planned.flops if planned else 0),
    ]


def estimate_model(config: RunConfig, traced: Trace) -> list[Estimate]:
    """Return the numbers of parameters and the FLOPs."""
    flops = traced.forward_flops + traced.backward_flops
    noisy = "with the most noisy rows; clean rows stop after the lower half; captions fill the text length"
    return [
        *(Estimate("parameters", name, count, "", "counted") for name, count in traced.parameters.items()),
        Estimate("parameters", "all", sum(traced.parameters.values()), "", "counted"),
        Estimate("compute", "flops_per_sample", flops / config.train.batch / 1e12, "TFLOP", "counted", noisy),
        Estimate(
            "compute", "attention_share", traced.attention_flops / flops, "", "counted", "QK and AV products alone"
        ),
        *estimate_optimiser(traced),
    ]


def estimate_optimiser(traced: Trace) -> list[Estimate]:
    """Return the FLOPs of the optimiser's matrix products; no figure if it has none, as AdamW."""
    if not traced.optimiser_flops:
        return []
    products = "matrix products of one rank's optimiser step (Muon's)"
    return [Estimate("compute", "optimiser_flops", traced.optimiser_flops / 1e12, "TFLOP", "counted", products)]


def estimate_memory(
    config: RunConfig, traced: Trace, gpu: Gpu, planned: ActivationPlan | None = None
) -> list[Estimate]:
    """Return what one GPU holds, in GB.

    Without a plan, the peak is at the end of a forward pass, when everything is held at once.
    """
    kinds = ("weights", "gradients", "optimiser", "ema", "bf16_copies", "activations")
    sizes = {kind: getattr(traced, kind) / 1e9 for kind in kinds}
    notes = {
        "gradients": "views of the reduction's buckets: no copy",
        "activations": f"{counted(config.train.batch, 'row')}, nothing recomputed",
        "bf16_copies": "autocast's, of the weights",
    }
    states = sum(sizes[kind] for kind in kinds[:4])
    peak = sum(sizes.values())
    left_out = "sum of the above; without kernels' temporary memory, reduction messages in flight and fragmentation"
    plan: list[Estimate] = []
    if planned:
        plan = [
            Estimate(
                "memory", "planned", planned.peak / 1e9, "GB", "counted", f"tensors, gradients included; {planned}"
            )
        ]
        peak = states - sizes["gradients"] + planned.peak / 1e9
        left_out = "states and planned, gradients once; without reduction messages in flight and fragmentation"
    return [
        *(Estimate("memory", kind, size, "GB", "counted", notes.get(kind, "")) for kind, size in sizes.items()),
        Estimate("memory", "states", states, "GB", "counted", "weights, gradients, optimiser, EMA"),
        *plan,
        Estimate("memory", "peak", peak, "GB", "formula", left_out),
        Estimate("memory", "gpu", gpu.memory_gb, "GB", "assumed", "data sheet"),
        Estimate("memory", "spare", gpu.memory_gb - peak, "GB", "formula"),
    ]


def estimate_time(
    config: RunConfig, traced: Trace, gpu: Gpu, given: Assumptions, recomputed: int = 0
) -> list[Estimate]:
    """Return communication, the time of a step and of the run, the data rate, and the cost.

    `recomputed` are FLOPs of one micro-step.
    """
    train = config.train
    speed = gpu.tflops * 1e12 * given.mfu
    backward = traced.backward_flops / speed
    compute = (traced.forward_flops + traced.backward_flops + recomputed) * train.accumulate / speed
    compute += traced.optimiser_flops / speed
    payload = traced.gradients / (2 if train.reduce == "bf16" else 1)
    of_others = (train.processes - 1) / train.processes
    reduced = 2 * of_others * payload
    # What learns is sent, as many bytes as its gradients in float32.
    broadcast = of_others * traced.gradients if train.shard_optimizer else 0.0
    link = (gpu.node_gb_s if train.processes <= NODE else gpu.network_gb_s) * 1e9 * LINK_SHARE
    # Weights are broadcast after the optimiser's step, so no backward pass hides that.
    exposed = max(0.0, reduced / link - backward) + broadcast / link
    step = compute + exposed
    rows = train.batch * train.accumulate * train.processes
    days = step * train.steps / 86400
    hours = days * 24 * train.processes
    sheet = f"{LINK_SHARE:.0%} of {link / LINK_SHARE / 1e9:g} GB/s, data sheet"
    return [
        Estimate("communication", "payload", payload / 1e9, "GB", "formula", f"{train.reduce} gradients, once a step"),
        Estimate("communication", "sent", reduced / 1e9, "GB", "formula", "by each rank of a ring, 2 (N-1)/N payloads"),
        *estimate_broadcast(broadcast, link),
        Estimate("communication", "link", link / 1e9, "GB/s", "assumed", sheet),
        Estimate("communication", "time", (reduced + broadcast) / link, "s", "formula"),
        Estimate("communication", "exposed", exposed, "s", "formula", EXPOSED),
        Estimate(
            "time", "mfu", given.mfu, "", "assumed", f"of {gpu.tflops:g} TFLOP/s bf16, data sheet; of compute alone"
        ),
        Estimate("time", "compute", compute, "s", "formula", "FLOPs / (peak x MFU)"),
        Estimate("time", "step", step, "s", "formula", "compute + exposed communication"),
        Estimate("time", "steps", train.steps, "", "given"),
        Estimate("time", "days", days, "days", "formula", "without saving and failures; evaluation comes on top"),
        Estimate("data", "samples", rows * train.steps / 1e6, "M", "formula"),
        Estimate("data", "samples_per_s", rows / step, "1/s", "formula"),
        Estimate("data", "samples_per_s_gpu", rows / step / train.processes, "1/s", "formula"),
        Estimate("data", "read", rows / step * PAIR_MB, "MB/s", "assumed", f"{PAIR_MB * 1e3:g} kB a pair"),
        *estimate_evaluation(config, traced, speed, step * train.steps),
        Estimate("cost", "gpu_hours", hours, "h", "formula"),
        Estimate("cost", "cost", hours * given.price, "", "assumed", f"{given.price:g} a GPU hour"),
    ]


def estimate_broadcast(received: float, link: float) -> list[Estimate]:
    """Return the stepped weights that a rank receives; no figure if each rank steps all weights.

    `received` is in bytes, `link` in bytes per second.
    """
    if not received:
        return []
    note = f"stepped weights from their owners, (N-1)/N of them: {received / link:.2g} s that nothing hides"
    return [Estimate("communication", "broadcast", received / 1e9, "GB", "formula", note)]
