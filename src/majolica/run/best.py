"""Keeps the checkpoint of a run that did best in an evaluation, beside the newest ones, in `best/`."""

from __future__ import annotations

import json
import math
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from majolica.errors import UserError
from majolica.files import publish_folder, write_atomic
from majolica.run.weights import BEST, step_of

FILE = "best.json"


@dataclass(frozen=True)
class Best:
    """Which checkpoint is the best, and by what."""

    step: int
    metric: str
    value: float


def find_best(run: Path) -> Best | None:
    """Return what is known of the best checkpoint of a run; None if none is kept.

    Raises UserError if the file about it cannot be read.
    """
    path = run / BEST / FILE
    if not path.exists():
        return None
    try:
        found = json.loads(path.read_text("utf-8"))
        best = Best(int(found["step"]), str(found["metric"]), float(found["value"]))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(
            f"cannot read {path} ({error}): move {run / BEST} away to keep a best checkpoint anew"
        ) from error
    return best if math.isfinite(best.value) else None


def keep_best(run: Path, step: int, metric: str, value: float) -> None:
    """Make the checkpoint of `step` the best one of a run: `best/STEP`.

    Its files are linked rather than copied, where the file system can. The one before is removed when the new one
    stands. Raises OSError if the disk refuses.
    """
    source = run / "checkpoints" / f"{step:08d}"
    folder = run / BEST / source.name
    folder.parent.mkdir(exist_ok=True)
    for left in folder.parent.glob(".*.tmp"):
        shutil.rmtree(left, ignore_errors=True)
    beside, aside = (folder.with_name(f".{folder.name}.{end}.tmp") for end in ("new", "old"))
    beside.mkdir()
    for path in source.iterdir():
        try:
            os.link(path, beside / path.name)
        except OSError:  # a file system without links
            shutil.copy2(path, beside / path.name)
    publish_folder(beside, folder, aside)
    write_atomic(folder.parent / FILE, json.dumps(asdict(Best(step, metric, value))))
    shutil.rmtree(aside, ignore_errors=True)
    for other in folder.parent.iterdir():
        if other != folder and step_of(other.name) is not None:
            shutil.rmtree(other, ignore_errors=True)
