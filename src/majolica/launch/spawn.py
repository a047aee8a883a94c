"""Start the ranks of one machine, hand on what a signal asks, and leave none of them behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from majolica.distributed.environment import MEETING
from majolica.errors import UserError
from majolica.launch.agent import GONE, STOP
from majolica.machine import cores
from majolica.scratch import ScratchFolder
from majolica.signals import INTERRUPTED, STOPPING, collect_signals

Rank = subprocess.Popen[bytes]

GRACE = 30.0
"""Seconds that the other ranks have to end after one has failed: enough to finish a save, but not to wait for NCCL."""

LOOK = 0.05
"""Seconds from one look at the ranks to the next."""


def launch(processes: int, module: str, arguments: Sequence[str], inherit: Sequence[int] = ()) -> None:
    """Run `python -m module ARGUMENT ...` as `processes` ranks of this machine, until the last one has ended.

    They get the variables that torchrun sets, and the file descriptors `inherit`. Whatever ends this process, they
    hear of it on their standard input (`launch.agent`). Raises UserError when a rank fails, KeyboardInterrupt
    when they were asked to stop.
    """
    with ScratchFolder("majolica-launch-") as scratch, collect_signals() as asked:
        meeting = scratch.path / "meeting"  # a file in which the ranks find each other: no port to choose
        ranks: list[Rank] = []
        try:
            for rank in range(processes):
                command = [sys.executable, "-m", module, *arguments]
                environment = os.environ | _place(rank, processes, meeting)
                handed_on = [*inherit, scratch.lock]  # the ranks may outlive this process, if it is killed
                ranks.append(subprocess.Popen(command, stdin=subprocess.PIPE, env=environment, pass_fds=handed_on))
            code = _wait(ranks, asked)
        finally:
            for process in ranks:
                process.kill()
                process.wait()
                if process.stdin:
                    process.stdin.close()
    if code == INTERRUPTED:
        raise KeyboardInterrupt
    if code < 0:
        name = signal.Signals(-code).name
        hint = ", most likely for memory: lower --train.batch" if name == "SIGKILL" else ""
        raise UserError(f"the training stopped early: one of its processes was ended by {name}{hint}")
    if code:
        raise UserError(f"the training stopped early (exit code {code}); its own message stands above")


def check_room(processes: int, gpus: int) -> None:
    """UserError where this machine has fewer GPUs, or without GPUs fewer cores, than `processes`."""
    room = gpus or cores()
    if processes > room:
        raise UserError(
            f"--train.processes is {processes} and this machine has room for {room}: start it with torchrun on "
            f"as many machines as it takes, or set --train.processes {room}"
        )


def _place(rank: int, processes: int, meeting: Path) -> dict[str, str]:
    return {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(processes),
        "LOCAL_WORLD_SIZE": str(processes),
        MEETING: str(meeting),
        "OMP_NUM_THREADS": "1",
        "TORCH_CPP_LOG_LEVEL": "ERROR",
    }


def _wait(ranks: Sequence[Rank], asked: list[int]) -> int:
    """Wait for all ranks; 0, the exit code of the first that failed, or 130 when they were asked to stop."""
    first, deadline, told = 0, float("inf"), b""
    while running := [rank for rank in ranks if rank.poll() is None]:
        ended = [_meaning(rank.returncode) for rank in ranks if rank.returncode]
        failed = [code for code in ended if code != INTERRUPTED]
        first = first or (failed[0] if failed else 0)
        if failed and deadline == float("inf"):
            deadline = time.monotonic() + GRACE
        for word, due in ((STOP, bool(asked)), (GONE, bool(ended))):
            if due and word not in told:
                told += word
                _tell(running, word)
        if time.monotonic() > deadline:
            for rank in running:
                rank.kill()
        time.sleep(LOOK)
    codes = [_meaning(rank.returncode) for rank in ranks]
    failed = [code for code in codes if code not in (0, INTERRUPTED)]
    return first or (failed[0] if failed else INTERRUPTED if INTERRUPTED in codes else 0)


def _meaning(code: int) -> int:
    """The exit code, with 130 also for a rank that a signal ended before it could handle it."""
    return INTERRUPTED if -code in STOPPING else code


def _tell(ranks: Sequence[Rank], word: bytes) -> None:
    for rank in ranks:
        if rank.stdin:
            with contextlib.suppress(BrokenPipeError):
                os.write(rank.stdin.fileno(), word)
