"""Writes summary.json: duration, samples, unreadable samples, size and machine of a run."""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from majolica.distributed.group import Group
from majolica.errors import UserError
from majolica.files import write_atomic
from majolica.models.parts import count_parameters
from majolica.plurals import counted, plural
from majolica.train import state


def write_summary(run: state.Run, unreadable: Mapping[str, int], say: Callable[[str], None]) -> None:
    """Write summary.json; a failure is only reported.

    `unreadable` counts the samples that could not be read, by reason, over all ranks; `say` gets a
    line on them if there are any.
    """
    summary = {
        "step": run.step,
        "steps": run.plan.steps,
        "train_seconds": round(run.seconds, 1),
        "samples_seen": run.samples,
        "unreadable_samples": dict(unreadable),
        "parameters": count_parameters(run.model),
        "processes": run.group.world,
        "machine": describe_machine(run.group),
    }
    try:
        write_atomic(run.out / "summary.json", json.dumps(summary, indent=1) + "\n")
    except UserError as error:
        say(f"{error}: the run is without a summary")
    if unreadable:
        say(describe_unreadable(unreadable, run.samples, run.config.data.bad_share))


def describe_unreadable(unreadable: Mapping[str, int], rows: int, bad_share: float) -> str:
    """Describe in one line the samples that could not be read while `rows` were trained on."""
    total = sum(unreadable.values())
    reasons = ", ".join(f"{count:,} x {reason}" for reason, count in unreadable.items())
    replaced = plural(total, "was replaced by another", "were replaced by others")
    line = f"{counted(total, 'sample')} could not be read and {replaced}, in {counted(rows, 'row')}: {reasons}"
    if total <= bad_share * (rows + total):  # every row has one sample that could be read
        return line
    counts_from = f" once it has read {counted(math.ceil(1 / bad_share), 'row')}" if bad_share else ""
    return f"{line}; that is a larger share than --data.bad-share {bad_share:g}, at which training stops{counts_from}"


def describe_machine(group: Group) -> str:
    """Describe the hardware in a few words."""
    if group.device.type == "cuda":
        return f"{group.world} x {torch.cuda.get_device_name(group.device)}"
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        models = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        name = models[0] if models else name
    return f"{name}, {counted(os.cpu_count() or 1, 'core')}, torch {torch.__version__}"
