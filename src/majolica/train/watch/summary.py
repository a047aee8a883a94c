"""summary.json: how long a run took, how much it saw, how large it is, on what machine."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable
from pathlib import Path

import torch

from majolica.distributed.group import Group
from majolica.errors import UserError
from majolica.files import write_atomic
from majolica.train import state


def summarise(run: state.Run, say: Callable[[str], None]) -> None:
    """Write summary.json; a disk that refuses costs the summary and a line."""
    summary = {
        "step": run.step,
        "steps": run.config.train.steps,
        "train_seconds": round(run.seconds, 1),
        "samples_seen": run.samples,
        "parameters": state.parameters(run.model),
        "processes": run.group.world,
        "machine": machine(run.group),
    }
    try:
        write_atomic(run.out / "summary.json", json.dumps(summary, indent=1) + "\n")
    except UserError as error:
        say(f"{error}: the run is without a summary")


def machine(group: Group) -> str:
    """The hardware in a few words."""
    if group.device.type == "cuda":
        return f"{group.world} x {torch.cuda.get_device_name(group.device)}"
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        models = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        name = models[0] if models else name
    return f"{name}, {os.cpu_count()} cores, torch {torch.__version__}"
