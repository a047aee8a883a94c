"""Where a run keeps its weights, and reading them back whole or not at all."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor

from majolica.errors import UserError

MANIFEST = "manifest.json"


class Damaged(Exception):
    """A checkpoint that is not what was written."""


def checkpoints(run: Path) -> list[Path]:
    """Checkpoint folders of a run, newest first."""
    return sorted((path for path in (run / "checkpoints").glob("[0-9]*") if path.is_dir()), reverse=True)


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def verify(folder: Path) -> None:
    """Compare every file of a checkpoint with its manifest; `Damaged` says which one differs."""
    try:
        manifest: dict[str, str] = json.loads((folder / MANIFEST).read_text())
    except (OSError, ValueError) as error:
        raise Damaged(f"{folder / MANIFEST} cannot be read ({error})") from error
    for name, expected in manifest.items():
        try:
            found = digest(folder / name)
        except OSError as error:
            raise Damaged(f"{folder / name} is missing") from error
        if found != expected:
            raise Damaged(f"{folder / name} has changed since it was written")


def latest(run: Path) -> tuple[Path, list[str]]:
    """The newest whole checkpoint of a run, and why newer ones were passed over."""
    reasons: list[str] = []
    for folder in checkpoints(run):
        try:
            verify(folder)
            return folder, reasons
        except Damaged as damage:
            reasons.append(str(damage))
    if reasons:
        raise UserError(f"no checkpoint of {run} can be read: {'; '.join(reasons)}")
    raise UserError(f"{run} holds no checkpoint: train it first, or name another run folder")


def averaged(run: Path) -> dict[str, Tensor]:
    """The averaged (EMA) weights of a run's newest whole checkpoint."""
    folder, _ = latest(run)
    return load_file(folder / "ema.safetensors")
