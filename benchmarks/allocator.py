"""Measuring the peak of torch's allocator, which decides whether a step fits."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.profiler import ProfilerActivity, profile


def measure_peak(run: Callable[[], object], device: str = "cpu") -> int:
    """Call `run` and return the peak of the allocated bytes, less those allocated before the call.

    The peak includes the temporary memory of kernels. On a GPU it is the caching allocator's own
    statistic. On a CPU it is computed from the allocation events that the profiler records.
    """
    if device == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        run()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        run()
    events = [e for e in profiler.profiler.kineto_results.events() if e.name() == "[memory]"]
    live, most = 0, 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        live += event.nbytes()
        most = max(most, live)
    return most
