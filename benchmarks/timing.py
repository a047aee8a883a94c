"""Timing side by side, to the end of what a device has queued, and what that device could do at most."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

import torch

from majolica.device import synchronize
from majolica.gpus import find_gpu_of_device

Step = Callable[[], object]


def time_call(step: Step, device: torch.device) -> float:
    """Seconds of one call, to the end of what it has queued."""
    start = time.perf_counter()
    step()
    synchronize(device)
    return time.perf_counter() - start


def time_in_turn(steps: Mapping[str, Step], repeats: int, device: torch.device) -> dict[str, list[float]]:
    """Every step once a round, so that a busy machine hurts all alike; the first round is thrown away."""
    found: dict[str, list[float]] = {name: [] for name in steps}
    for repeat in range(repeats + 1):
        for name, step in steps.items():
            seconds = time_call(step, device)
            if repeat:
                found[name].append(seconds)
    return found


def median_ratio(over: list[float], under: list[float]) -> float:
    """Median of the ratios within rounds."""
    return round(statistics.median(a / b for a, b in zip(over, under, strict=True)), 3)


def peak_flops(device: torch.device, dtype: torch.dtype) -> tuple[float, str]:
    """The most that the device can do, and how that is known."""
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
        known = find_gpu_of_device(name)
        if known:
            return known.tflops * 1e12, f"bf16 data sheet of {known.name}"
        return float("nan"), f"unknown for {name}"
    side = 4096
    a, b = torch.randn(2, side, side).to(dtype)
    fastest = min(time_call(lambda: a @ b, device) for _ in range(5))
    name = str(dtype).removeprefix("torch.")
    return 2 * side**3 / fastest, f"measured: {side}^3 product in {name} on {torch.get_num_threads()} threads"
