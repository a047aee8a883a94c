"""Start the ranks of one machine, pass signals on to them, and end all of them in the end."""

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
"""Seconds that the other ranks have to end after one has failed.

It is enough to finish a save, and shorter than the timeout of NCCL.
"""

POLL_SECONDS = 0.05
"""Seconds between two checks of the ranks."""


def launch(processes: int, module: str, arguments: Sequence[str], inherit: Sequence[int] = ()) -> None:
    """Run `python -m module ARGUMENT ...` as `processes` ranks of this machine, and wait for all.

    The ranks get the environment variables that torchrun sets, and the file descriptors `inherit`.
    If this process ends, even by a kill, they notice it on their standard input (`launch.agent`).

    Raises UserError if a rank fails, and KeyboardInterrupt if the ranks were asked to stop.
    """
    with ScratchFolder("majolica-launch-") as scratch, collect_signals() as asked:
        meeting = scratch.path / "meeting"  # the ranks find each other through a file, which needs no free port
        ranks: list[Rank] = []
        try:
            for rank in range(processes):
                command = [sys.executable, "-m", module, *arguments]
                environment = os.environ | _rank_variables(rank, processes, meeting)
                descriptors = [*inherit, scratch.lock]  # the ranks outlive this process for a while if it is killed
                ranks.append(subprocess.Popen(command, stdin=subprocess.PIPE, env=environment, pass_fds=descriptors))
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
    """Raise UserError if `processes` exceeds the GPUs of this machine or, without GPUs, its cores."""
    room = gpus or cores()
    if processes > room:
        raise UserError(
            f"--train.processes is {processes} and this machine has room for {room}: start it with torchrun on "
            f"as many machines as it takes, or set --train.processes {room}"
        )


def _rank_variables(rank: int, processes: int, meeting: Path) -> dict[str, str]:
    """Return the environment variables of one rank."""
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
    """Wait for all ranks, and tell them to stop once `asked` holds a signal or one of them has ended.

    Returns the exit code of the first rank that failed. If none failed, it returns 130 if a rank was
    interrupted, and 0 if not.
    """
    first_failure, deadline, sent = 0, float("inf"), b""
    while running := [rank for rank in ranks if rank.poll() is None]:
        ended = [_exit_code(rank.returncode) for rank in ranks if rank.returncode]
        failed = [code for code in ended if code != INTERRUPTED]
        first_failure = first_failure or (failed[0] if failed else 0)
        if failed and deadline == float("inf"):
            deadline = time.monotonic() + GRACE
        for message, due in ((STOP, bool(asked)), (GONE, bool(ended))):
            if due and message not in sent:
                sent += message
                _send(running, message)
        if time.monotonic() > deadline:
            for rank in running:
                rank.kill()
        time.sleep(POLL_SECONDS)
    codes = [_exit_code(rank.returncode) for rank in ranks]
    failed = [code for code in codes if code not in (0, INTERRUPTED)]
    return first_failure or (failed[0] if failed else INTERRUPTED if INTERRUPTED in codes else 0)


def _exit_code(returncode: int) -> int:
    """Return `returncode`, or 130 if a signal of `STOPPING` killed the rank.

    Such a signal kills a rank that has not installed its handlers yet.
    """
    return INTERRUPTED if -returncode in STOPPING else returncode


def _send(ranks: Sequence[Rank], message: bytes) -> None:
    for rank in ranks:
        if rank.stdin:
            with contextlib.suppress(BrokenPipeError):
                os.write(rank.stdin.fileno(), message)
