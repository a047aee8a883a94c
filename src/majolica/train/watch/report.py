"""From the mean losses since the last line of the log to its next one."""

from __future__ import annotations

import math
import resource
import sys
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from majolica.activation.count import micro_step_flops
from majolica.config.run import RunConfig
from majolica.distributed.group import Group
from majolica.gpus import find_gpu_of_device
from majolica.objectives.flow import TIME_BINS


def record(means: Mapping[str, Tensor]) -> dict[str, float]:
    """Losses by name where they are finite; the flow loss also by flow time, `flow/0.2-0.4`, where there were rows."""
    found = {name: value.item() for name, value in means.items() if value.ndim == 0}
    for k, (total, rows) in enumerate(means["flow_by_time"].tolist() if "flow_by_time" in means else []):
        if rows > 0:
            found[f"flow/{k / TIME_BINS:g}-{(k + 1) / TIME_BINS:g}"] = total / rows
    return {name: value for name, value in found.items() if math.isfinite(value)}


def straggler(busy_R: Sequence[float]) -> dict[str, float]:
    """Which rank takes longest until it waits for the others, and how much longer than the median; one rank: none."""
    if len(busy_R) < 2:
        return {}
    slowest = max(range(len(busy_R)), key=busy_R.__getitem__)
    median = sorted(busy_R)[(len(busy_R) - 1) // 2]
    return {"slowest_rank": slowest, "slowest_over_median": busy_R[slowest] / max(median, 1e-9)}


def ideal_seconds(config: RunConfig, device_name: str) -> float | None:
    """Seconds that an optimiser step would take at the bf16 peak of its GPU; None where that is unknown.

    Over the seconds it takes this is the MFU (PaLM, arXiv 2204.02311, appendix B): recomputation does not count.
    """
    gpu = find_gpu_of_device(device_name)
    if gpu is None:
        return None
    return micro_step_flops(config) * config.train.accumulate / (gpu.tflops * 1e12)


def memory_gb(group: Group) -> float:
    """Largest memory so far in 10^9 bytes: allocated on the GPU, else resident."""
    if group.device.type == "cuda":
        return torch.cuda.max_memory_allocated(group.device) / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9
