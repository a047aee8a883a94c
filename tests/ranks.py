"""Training steps on several gloo processes, forked small from one that has torch already."""

from __future__ import annotations

import dataclasses
import multiprocessing
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from majolica.config.run import RunConfig
from majolica.distributed.group import Group


def on_ranks(world: int, task: Callable[..., Any], folder: Path, *args: Any) -> list[Any]:
    """What `task(group, *args)` returns on each of `world` ranks; picklable, without tensors shared in memory."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch._dynamo", "torch.distributed", "majolica.launch.start"])
    folder.mkdir(parents=True, exist_ok=True)
    meeting = folder / f"meeting-{len(list(folder.glob('meeting-*')))}"
    pipes, processes = [], []
    for rank in range(world):
        here, there = context.Pipe(duplex=False)
        process = context.Process(target=_rank, args=(there, meeting, rank, world, task, args))
        process.start()
        there.close()
        pipes.append(here)
        processes.append(process)
    try:
        answers = [pipe.recv() if pipe.poll(60) else "no answer after 60 s" for pipe in pipes]
    finally:
        for process in processes:
            process.join(10)
            process.kill()
    errors = [answer for answer in answers if isinstance(answer, str)]
    assert not errors, errors[0]
    return [answer[0] for answer in answers]


def _rank(pipe: Connection, meeting: Path, rank: int, world: int, task: Callable[..., Any], args: tuple[Any]) -> None:
    torch.set_num_threads(1)
    try:
        if world > 1:
            dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=world)
        answer: Any = (task(Group(rank, world, torch.device("cpu")), *args),)
        if world > 1:
            dist.barrier()
            dist.destroy_process_group()
    except BaseException:
        answer = traceback.format_exc()
    pipe.send(answer)


def changed(config: RunConfig, **train: Any) -> RunConfig:
    """`config` with other values in its section `train`."""
    return dataclasses.replace(config, train=dataclasses.replace(config.train, **train))
