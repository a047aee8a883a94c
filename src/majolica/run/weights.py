"""Where a run keeps its weights, and reading them back whole or not at all."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor

from majolica.errors import UserError

MANIFEST = "manifest.json"
REPLACED = ".replaced"
"""Ends the name of a checkpoint that is set aside while another of the same step takes its place."""


class DamagedCheckpoint(Exception):
    """A checkpoint that is not what was written."""


def step_of(name: str) -> int | None:
    """The step of a checkpoint folder by its name; None for a name that no checkpoint is given."""
    digits = name.removesuffix(REPLACED)
    return int(digits) if re.fullmatch("[0-9]{8,}", digits) and digits == f"{int(digits):08d}" else None


def checkpoints(run: Path) -> list[Path]:
    """Checkpoint folders of a run, newest first; whatever else lies beside them is the user's."""
    try:
        folders = sorted(path for path in (run / "checkpoints").iterdir() if path.is_dir())
    except OSError:
        return []
    found: dict[int, Path] = {}
    for folder in folders:  # sorted: a checkpoint comes before the one that it replaces
        if (step := step_of(folder.name)) is not None:
            found.setdefault(step, folder)
    return [found[step] for step in sorted(found, reverse=True)]


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def verify(folder: Path, files: Collection[str] = ()) -> None:
    """Compare the files of a checkpoint, or only `files`, with its manifest.

    `DamagedCheckpoint` says which one differs.
    """
    try:
        manifest: dict[str, str] = json.loads((folder / MANIFEST).read_text())
    except (OSError, ValueError) as error:
        raise DamagedCheckpoint(f"{folder / MANIFEST} cannot be read ({error})") from error
    for name in files or manifest:
        try:
            found = digest(folder / name)
        except OSError as error:
            raise DamagedCheckpoint(f"{folder / name} is missing") from error
        if found != manifest.get(name):
            raise DamagedCheckpoint(f"{folder / name} has changed since it was written")


def latest(run: Path, files: Collection[str] = ()) -> tuple[Path, list[str]]:
    """The newest checkpoint of a run whose files, or only `files`, are whole, and why newer ones were passed over.

    A training in `run` may delete old checkpoints meanwhile: those are no damaged ones. UserError where there is none.
    """
    while True:
        reasons: list[str] = []
        folders = checkpoints(run)
        for folder in folders:
            try:
                verify(folder, files)
                return folder, reasons
            except DamagedCheckpoint as damage:
                reasons.append(str(damage))
        if all(folder.exists() for folder in folders):
            break
    if reasons:
        raise UserError(f"no checkpoint of {run} can be read: {'; '.join(reasons)}")
    if (run / "config.yaml").exists():
        raise UserError(f"{run} holds no checkpoint yet: `majolica train --resume {run}` trains it")
    raise UserError(f"{run} holds no checkpoint: train it first, or name another run folder")


def load_ema(run: Path) -> dict[str, Tensor]:
    """The averaged (EMA) weights of a run's newest checkpoint in which they are whole."""
    name = "ema.safetensors"
    while True:
        folder, _ = latest(run, [name])
        try:
            return load_file(folder / name)
        except Exception as error:
            if folder.exists():  # else a training has just deleted it, and there is a newer one
                raise UserError(f"{folder / name} cannot be loaded ({error})") from error
