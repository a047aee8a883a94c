"""Records where a run spends its time and memory, with torch's profiler and allocator history."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from majolica.config.training import TrainConfig
from majolica.distributed.group import Group
from majolica.plurals import counted

WAIT = 10
"""Steps before the profiler starts, so that the trace has no compilation, cold caches or first allocations."""
WARMUP = 1
"""Steps for which it then runs without a trace, because its own start takes time."""
UNTRACED = WAIT + WARMUP
"""Steps of which no trace tells."""


@contextmanager
def profile_steps(
    config: TrainConfig, out: Path, group: Group, say: Callable[[str], None]
) -> Iterator[Callable[[], None]]:
    """Trace `config.profile` steps of this rank into `out`/profile.

    Yields a function that must be called after every step. `rank0.json` opens in ui.perfetto.dev;
    `rank0.txt` lists the slowest operations. With `config.memory` on a GPU, `rank0-memory.pickle`
    opens in pytorch.org/memory_viz; it is also written when memory runs out.
    """
    if not config.profile and not config.memory:
        yield lambda: None
        return
    folder = out / "profile"
    with report_failures("profile/", say):
        folder.mkdir(parents=True, exist_ok=True)
    with _record_memory(config, folder / f"rank{group.rank}-memory.pickle", group, say):
        if not config.profile:
            yield lambda: None
            return
        with _build_profiler(config.profile, folder / f"rank{group.rank}", group, say) as profile:
            yield profile.step
        if profile.step_num <= UNTRACED:
            say(f"no step was traced, because the training took no more than {counted(UNTRACED, 'step')} here")


def _build_profiler(steps: int, stem: Path, group: Group, say: Callable[[str], None]) -> torch.profiler.profile:
    kinds = [torch.profiler.ProfilerActivity.CPU]
    key = "self_cpu_time_total"
    if group.device.type == "cuda":
        kinds, key = [*kinds, torch.profiler.ProfilerActivity.CUDA], "self_cuda_time_total"

    def write(profile: torch.profiler.profile) -> None:
        traced = min(steps, profile.step_num - UNTRACED)  # the training may have ended before
        if not traced:
            return
        short = f" of the {steps:,} of --train.profile, because the training ended" if traced < steps else ""
        with report_failures(f"the trace {stem}.json", say):
            profile.export_chrome_trace(str(stem.with_suffix(".json")))
            stem.with_suffix(".txt").write_text(profile.key_averages().table(sort_by=key, row_limit=30))
            say(f"traced {counted(traced, 'step')}{short}: {stem}.txt and {stem}.json (open it in ui.perfetto.dev)")

    schedule = torch.profiler.schedule(wait=WAIT, warmup=WARMUP, active=steps, repeat=1)
    return torch.profiler.profile(activities=kinds, schedule=schedule, on_trace_ready=write)


@contextmanager
def report_failures(what: str, say: Callable[[str], None]) -> Iterator[None]:
    """Report that `what` could not be written, and go on: a profile must not end a run."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        say(f"{what} cannot be written ({error}); training goes on")


@contextmanager
def _record_memory(config: TrainConfig, path: Path, group: Group, say: Callable[[str], None]) -> Iterator[None]:
    if not config.memory or group.device.type != "cuda":
        yield
        return
    torch.cuda.memory._record_memory_history()
    try:
        yield
    finally:
        with report_failures(str(path), say):
            torch.cuda.memory._dump_snapshot(str(path))  # type: ignore[no-untyped-call]
