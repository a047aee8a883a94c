"""The config.yaml of a run folder, and what is said where a folder is none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from majolica.errors import UserError

NAME = "config.yaml"


def config_of_run(folder: Path, option: str, advice: str) -> Path:
    """The configuration of the run in `folder`.

    UserError where there is none: it names the run that `folder` is a part of, to be given with `option` ("" where it
    stands alone), or else says `advice`.
    """
    path = folder / NAME
    if path.is_file():
        return path
    for run in _parents(folder):
        if (run / NAME).is_file():
            inside = folder.absolute().relative_to(run.absolute()).parts
            what = "a checkpoint inside" if inside[0] == "checkpoints" and len(inside) > 1 else "inside"
            raise UserError(f"{folder} is {what} the run {run}: give {f'{option} {run}'.strip()}")
    raise UserError(advice)


def _parents(folder: Path) -> Iterator[Path]:
    """The folders that `folder` is in, as far up as a run has folders; as they were written, where that tells."""
    written = [parent for parent in folder.parents if parent != Path(".")]
    absolute = list(folder.absolute().parents)
    yield from [*written, *absolute[len(written) :]][:3]
