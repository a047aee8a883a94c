"""A rank without torch, `python -m light_ranks FOLDER TASK`: what `launch` does with processes shows in a second."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from majolica.launch.agent import Launcher
from majolica.signals import INTERRUPTED, collect_signals


def main(folder: Path, task: str) -> int:
    rank = os.environ["RANK"]
    with collect_signals(patient=True) as asked:
        launcher = Launcher(asked)
        (folder / f"pid-{rank}").write_text(str(os.getpid()))
        if task == "late" and rank == "0":
            time.sleep(600)  # still on its way to the meeting
        launcher.joined = True
        (folder / f"ready-{rank}").touch()
        if task == "fails" and rank == "1":
            return 3
        if task == "killed" and rank == "1":
            os.abort()
        end = time.monotonic() + 30
        while not asked and time.monotonic() < end:
            if launcher.another_failed.is_set() and not asked:
                return 1  # as a collective does whose peer is gone
            time.sleep(0.01)
        (folder / f"saved-{rank}").touch()
    return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
