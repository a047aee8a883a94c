"""Removes the files of a new run that fails, unless `--resume` could use them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from majolica.run.checkpoint import RUN_FILES
from majolica.run.weights import checkpoints

LOG = "log.jsonl"

WRITTEN = (*RUN_FILES, "samples", "profile", "tensorboard", "wandb", "checkpoints")
"""Names of the files and folders that training writes into a run folder."""


def has_begun(out: Path) -> bool:
    """Return whether `out` holds something worth keeping: a checkpoint, or a line of the log."""
    log = out / LOG
    return bool(checkpoints(out)) or (log.is_file() and log.stat().st_size > 0)


@contextlib.contextmanager
def undo_failed_start(out: Path) -> Iterator[None]:
    """Remove what a new run wrote into `out` if it fails before it has begun (see `has_begun`).

    The folder is then as it was before the start, including the user's own files, and the same
    command can start again once the cause is fixed. A run that fails later keeps all its files: the
    log and the sample grids help to explain the failure, and with config.yaml `--resume` can begin
    again at step 0. After an interrupt, files are removed only if the preparation was incomplete,
    that is, if config.yaml, its last file, is missing.
    """
    before = set(_list_written(out))
    try:
        yield
    except BaseException as error:
        prepared = (out / "config.yaml").exists()
        if not has_begun(out) and (isinstance(error, Exception) or not prepared):
            for path in sorted(set(_list_written(out)) - before, reverse=True):  # contents before their folder
                _remove(path)
        raise


def _list_written(out: Path) -> Iterator[Path]:
    """Yield the paths of `WRITTEN` that exist, and everything inside them."""
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
