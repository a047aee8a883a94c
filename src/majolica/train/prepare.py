"""Make a run folder for a cluster job: `python -m majolica.train.prepare CONFIG OUT`, once, before the ranks start."""

from __future__ import annotations

import sys
from pathlib import Path

from majolica.config import io
from majolica.config.resolve import resolve
from majolica.errors import UserError
from majolica.train.run import prepare


def main(arguments: list[str]) -> int:
    config, out = arguments
    try:
        prepare(resolve(io.load(Path(config))), Path(out), resume=False)
    except UserError as error:
        print(f"majolica: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
