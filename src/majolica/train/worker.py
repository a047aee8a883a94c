"""One process of a torchrun job: `python -m majolica.train.worker CONFIG OUT [--resume]`."""

from __future__ import annotations

import sys
from pathlib import Path

from majolica.config import io
from majolica.errors import UserError
from majolica.machine import let_threads_sleep


def main(arguments: list[str]) -> int:
    let_threads_sleep()
    from majolica.train.run import train  # after it, for this imports torch

    config, out, *flags = arguments
    try:
        train(io.load(Path(config)), Path(out), resume="--resume" in flags)
    except UserError as error:
        print(f"majolica: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
