"""What the allocator held while something ran: the figure that decides whether a step fits."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.profiler import ProfilerActivity, profile


def measure_peak(run: Callable[[], object], device: str = "cpu") -> int:
    """Peak of the bytes that torch's allocator gave out beyond what it had given before `run`.

    Everything a kernel takes and gives back within itself is in it. On a GPU that is the caching allocator's own
    statistic; on a CPU the sum over the allocator's events, which the profiler records.
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
