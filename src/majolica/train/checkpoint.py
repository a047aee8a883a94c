"""Saved state: written beside, flushed, renamed; verified before use; the last few are kept."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from majolica.errors import UserError
from majolica.files import sync_folder
from majolica.models.weights import MANIFEST, checkpoints, digest, latest

Tensors = dict[str, dict[str, Tensor]]
"""File stem -> named tensors."""


@dataclass(frozen=True)
class Saved:
    """Everything that a run needs to go on as if it had never stopped."""

    tensors: Tensors
    state: dict[str, Any]
    """JSON: step, seconds, samples, loader position."""


def save(run: Path, step: int, saved: Saved, keep: int) -> Path:
    """Write checkpoint `step` of a run and drop all but the newest `keep`. `OSError` leaves the older ones whole."""
    folder = run / "checkpoints" / f"{step:08d}"
    beside = folder.with_name(f".{folder.name}.tmp")
    sweep(run)
    try:
        beside.mkdir(parents=True)
        for stem, tensors in saved.tensors.items():
            save_file(tensors, beside / f"{stem}.safetensors")
        (beside / "state.json").write_text(json.dumps(saved.state))
        manifest = {path.name: digest(path) for path in sorted(beside.iterdir())}
        (beside / MANIFEST).write_text(json.dumps(manifest, indent=1))
        flush(beside)
        if folder.exists():
            shutil.rmtree(folder)
        beside.rename(folder)
        sync_folder(folder.parent)
    except Exception as error:
        shutil.rmtree(beside, ignore_errors=True)
        # safetensors reports a full disk as its own exception.
        raise error if isinstance(error, OSError) else OSError(f"cannot write {beside}: {error}") from error
    for old in checkpoints(run)[keep:]:
        shutil.rmtree(old, ignore_errors=True)
    return folder


def flush(folder: Path) -> None:
    """Force a folder and its files to disk."""
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    sync_folder(folder)


def sweep(run: Path) -> None:
    """Remove what an interrupted save left behind."""
    for orphan in (run / "checkpoints").glob(".*.tmp"):
        shutil.rmtree(orphan, ignore_errors=True)


def load(run: Path) -> tuple[Saved, list[str]]:
    """The newest whole checkpoint, and why newer ones were passed over."""
    folder, reasons = latest(run)
    try:
        tensors = {path.stem: load_file(path) for path in folder.glob("*.safetensors")}
        return Saved(tensors, json.loads((folder / "state.json").read_text())), reasons
    except Exception as error:
        raise UserError(f"{folder} cannot be loaded ({error}); delete it to go on from an older one") from error
