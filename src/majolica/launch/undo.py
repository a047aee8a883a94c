"""What a start leaves that fails before a checkpoint: nothing, or all that `--resume` begins again with."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from majolica.run.checkpoint import RUN_FILES
from majolica.run.weights import checkpoints

LOG = "log.jsonl"

WRITTEN = (*RUN_FILES, "samples", "profile", "tensorboard", "wandb", "checkpoints")
"""Names of all that training writes into a run folder."""


def has_begun(out: Path) -> bool:
    """Whether training got so far in `out` that there is something to keep: a checkpoint, or a line of the log."""
    log = out / LOG
    return bool(checkpoints(out)) or (log.is_file() and log.stat().st_size > 0)


@contextlib.contextmanager
def undo_failed_start(out: Path) -> Iterator[None]:
    """Take back what a new run wrote into `out` where it fails before it has begun, as `has_begun` says.

    Then the folder is as the start found it, with what the user had put there, and the same command may start again
    once the reason is mended. A run that fails later keeps all that it wrote, for the log and the grids tell of the
    failure, and config.yaml with them: `--resume` begins it again at step 0. An interrupt takes back only what is not
    complete without config.yaml, the last file of the preparation.
    """
    before = set(_written(out))
    try:
        yield
    except BaseException as error:
        prepared = (out / "config.yaml").exists()
        if not has_begun(out) and (isinstance(error, Exception) or not prepared):
            for path in sorted(set(_written(out)) - before, reverse=True):  # what is in a folder before the folder
                _remove(path)
        raise


def _written(out: Path) -> Iterator[Path]:
    """All that is there of what training writes, folders and what is in them."""
    for path in (out / name for name in WRITTEN):
        if path.exists():
            yield path
            yield from path.rglob("*")


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        else:
            path.unlink()
