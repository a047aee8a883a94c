"""Fits a new run to its pictures and to the machine that it starts on.

Only options that the configuration leaves open are chosen here.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from majolica.config.fitting import fit_schedule, has_open_options, open_options, rows_of_step, settle_open_options
from majolica.config.run import RunConfig
from majolica.data.loading.sources import open_sources
from majolica.distributed.group import default_device
from majolica.errors import UserError
from majolica.machine import cores
from majolica.models.precision import has_bf16
from majolica.plurals import counted, plural

MOST_PROCESSES = 8
"""The most processes on CPU cores. More of them would lose more time by waiting than they gain."""
LEAST_ROWS = {"cpu": 8, "cuda": 128}
"""The fewest rows of a micro-step that a process gets.

With fewer rows, it would mostly wait for kernels to start and for the other processes.
"""


@dataclass(frozen=True)
class Machine:
    """The hardware that a training run may use."""

    kind: str
    """ "cpu" or "cuda"."""
    places: int
    """The number of processes that can have a core or a GPU of their own."""
    bf16: bool
    """Whether the hardware multiplies bfloat16."""

    def __str__(self) -> str:
        what = {"cpu": "CPU core", "cuda": "GPU"}[self.kind]
        return f"{self.places} {what}{'s' * (self.places > 1)} {'with' if self.bf16 else 'without'} bfloat16 products"


def this_machine() -> Machine:
    """Return the GPUs of this machine or, without GPUs, the cores that this process may use."""
    device = default_device()
    cuda = device.type == "cuda"
    return Machine(device.type, torch.cuda.device_count() if cuda else min(cores(), MOST_PROCESSES), has_bf16(device))


def fit_to_machine(config: RunConfig, machine: Machine) -> RunConfig:
    """Return `config` with the processes and the precision that suit `machine`.

    They are only changed if `config` leaves them open, and the global batch stays the same.
    """
    return settle_open_options(config, processes_for(config.train.batch, machine), "bf16" if machine.bf16 else "fp32")


def processes_for(rows: int, machine: Machine) -> int:
    """Return the most processes that can share `rows` of a micro-step evenly and get enough each."""
    most = max(1, min(machine.places, rows // LEAST_ROWS[machine.kind]))
    return next(n for n in range(most, 0, -1) if rows % n == 0)


def fit_new_run(config: RunConfig, machine: Machine) -> tuple[RunConfig, list[str]]:
    """Return `config` fitted to `machine`, and lines for the user.

    The lines say what was chosen and what the machine lacks.
    """
    fitted, said = fit_to_machine(config, machine), []
    train = fitted.train
    if has_open_options(config):
        said.append(
            f"fitted to {machine}: --train.processes {train.processes}, --train.batch {train.batch}, "
            f"--train.precision {train.precision}"
        )
    if config.train.precision == "bf16" and not machine.bf16:
        said.append(f"--train.precision is bf16, and this machine has {machine}: fp32 may be quicker here")
    return fitted, said


def fit_to_pictures(config: RunConfig) -> tuple[RunConfig, list[str]]:
    """Return `config` with a schedule for the number of pictures, and a line that describes it.

    If `config` says the number of steps, it is returned as it is, without a line.
    """
    if config.train.steps:
        return config, []
    pictures = 0
    for shards in open_sources(config.data):
        with shards:
            pictures += len(shards)
    fitted = fit_schedule(config, pictures)
    return fitted, [f"fitted to {counted(pictures, 'picture')}: {_describe_schedule(fitted, pictures)}"]


def _describe_schedule(fitted: RunConfig, pictures: int) -> str:
    """Describe what was fitted; the number of steps is left out if minutes or another run decide it."""
    train, optim = fitted.train, fitted.optim
    rows = counted(rows_of_step(train), "row")
    others = f"--optim.warmup {optim.warmup}, --optim.ema {optim.ema:.5g}"
    if train.schedule_from:
        return f"steps of {rows}, as many as --train.schedule-from {train.schedule_from} has; {others}"
    if train.minutes:
        minutes = f"{train.minutes:g} {plural(train.minutes, 'minute')}"
        return f"steps of {rows}, as many as fit into {minutes} (--train.minutes); {others}"
    seen = round(train.steps * rows_of_step(train) / max(1, pictures))
    return (
        f"--train.steps {train.steps}, each with {rows}, so that each picture is seen about {counted(seen, 'time')};"
        f" {others}"
    )


def check_settled(config: RunConfig) -> RunConfig:
    """Return `config`, or raise UserError if it leaves options to the machine.

    Only a new run may do so; a run that has begun may not.
    """
    left = open_options(config) + (["--train.steps 0"] if not config.train.steps else [])
    if left:
        names = " and ".join(filter(None, (", ".join(left[:-1]), left[-1])))
        them = plural(len(left), "it", "them")
        raise UserError(
            f"{names} {plural(len(left), 'is', 'are')} settled when a run begins, for all who go on with it: give"
            f" {plural(len(left), 'a value', 'values')}, or leave {them} as the run's config.yaml has {them}"
        )
    return config
