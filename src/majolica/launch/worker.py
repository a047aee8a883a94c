"""The program of one rank: `python -m majolica.launch.worker CONFIG OUT [--resume]`.

`launch.spawn`, torchrun or the scheduler of a cluster starts it once per rank.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from pathlib import Path

from majolica.errors import UserError
from majolica.launch.agent import Launcher
from majolica.machine import let_threads_sleep
from majolica.signals import INTERRUPTED, collect_signals, exit_at_once


def main(arguments: list[str]) -> int:
    let_threads_sleep()
    options = _parser().parse_args(arguments)
    # The signal handlers come before the imports, because these take seconds.
    with collect_signals(patient=True) as asked:
        launcher = Launcher(asked)
        from majolica.config.io import load_config
        from majolica.launch.rank import train_rank

        try:
            train_rank(load_config(options.config), options.out, options.resume, asked, launcher)
        except UserError as error:
            # An error that all ranks raise is printed once, by rank 0.
            if os.environ.get("RANK", "0") == "0" or not launcher.wait_for_other_failure():
                print(f"majolica: {error}", file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            return INTERRUPTED
        except Exception:
            if launcher.wait_for_other_failure():
                return INTERRUPTED if asked else 1
            raise
    return 0


def _parser() -> argparse.ArgumentParser:
    text = "One rank of a run, whose folder `python -m majolica.launch.prepare` has made, for torchrun or a scheduler."
    parser = argparse.ArgumentParser("python -m majolica.launch.worker", description=text, allow_abbrev=False)
    parser.add_argument("config", type=Path, metavar="CONFIG", help="the run's config.yaml")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder of the run")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint, or begin without one")
    return parser


def _run_and_exit() -> None:
    """Run `main` and exit at once, because gloo's threads release their last tensors at any time.

    They need Python for it, and would abort this process if Python were shutting down.
    """
    try:
        code = main(sys.argv[1:])
    except Exception:
        traceback.print_exc()
        code = 1
    exit_at_once(code)


if __name__ == "__main__":
    _run_and_exit()
