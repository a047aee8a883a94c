"""The values of a line of the log, computed from mean losses, timings and the device."""

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


def scalars_by_name(means: Mapping[str, Tensor]) -> dict[str, float]:
    """Return the finite losses by name.

    The flow loss is also given by flow time, as `flow/0.2-0.4`, for each interval that had rows:
    `means["flow_by_time"]` holds the sum of the losses and the number of rows, `(TIME_BINS, 2)`.
    """
    scalars = {name: value.item() for name, value in means.items() if value.ndim == 0}
    for k, (total, rows) in enumerate(means["flow_by_time"].tolist() if "flow_by_time" in means else []):
        if rows > 0:
            scalars[f"flow/{k / TIME_BINS:g}-{(k + 1) / TIME_BINS:g}"] = total / rows
    return {name: value for name, value in scalars.items() if math.isfinite(value)}


def straggler(busy_R: Sequence[float]) -> dict[str, float]:
    """Return the rank that works longest before it waits for others, and its time over the median.

    `busy_R` are seconds per step. Empty if there is only one rank.
    """
    if len(busy_R) < 2:
        return {}
    slowest = max(range(len(busy_R)), key=busy_R.__getitem__)
    median = sorted(busy_R)[(len(busy_R) - 1) // 2]
    return {"slowest_rank": slowest, "slowest_over_median": busy_R[slowest] / max(median, 1e-9)}


def ideal_seconds(config: RunConfig, device_name: str) -> float | None:
    """Return the seconds of an optimiser step at the bf16 peak of its GPU; None if that is unknown.

    Divided by the measured seconds this is the MFU (PaLM, arXiv 2204.02311, appendix B), in which
    recomputation does not count.
    """
    gpu = find_gpu_of_device(device_name)
    if gpu is None:
        return None
    return micro_step_flops(config) * config.train.accumulate / (gpu.tflops * 1e12)


def memory_gb(group: Group) -> float:
    """Return the peak memory in 10^9 bytes: allocated on a GPU, resident on a CPU."""
    if group.device.type == "cuda":
        return torch.cuda.max_memory_allocated(group.device) / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9
