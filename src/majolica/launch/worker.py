"""One rank of several: `python -m majolica.launch.worker CONFIG OUT [--resume]`, for launch, torchrun or schedulers."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from majolica.errors import UserError
from majolica.launch.agent import Launcher
from majolica.machine import let_threads_sleep
from majolica.signals import INTERRUPTED, collect_signals


def main(arguments: list[str]) -> int:
    let_threads_sleep()
    config, out, *flags = arguments
    with collect_signals(patient=True) as asked:  # before the imports, which take seconds
        launcher = Launcher(asked)
        from majolica.config import io
        from majolica.launch.rank import work

        try:
            work(io.load(Path(config)), Path(out), "--resume" in flags, asked, launcher)
        except UserError as error:
            if os.environ["RANK"] == "0" or not launcher.failed_first():  # what all refuse is said once
                print(f"majolica: {error}", file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            return INTERRUPTED
        except Exception:
            if launcher.failed_first():
                return INTERRUPTED if asked else 1
            raise
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
