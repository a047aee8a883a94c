"""Saved state: written beside, flushed, renamed; verified before use; the last few are kept."""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from majolica.errors import UserError
from majolica.files import publish_folder, sweep_unfinished
from majolica.run.weights import MANIFEST, REPLACED, checkpoints, digest, latest, step_of

LEFTOVER = re.compile(r"\.[0-9]{8,}(\.replaced)?(\.[0-9a-f]{8})?\.tmp")
"""Names under which `save_checkpoint` writes and deletes; versions before this one gave them no random part."""

TRACKED_AS = "tracked_as.txt"
"""The file with the name under which hosted trackers know the run."""
RUN_FILES = (
    *("config.yaml", "tokenizer.model", "words.json", "properties.json"),
    *("activation_plan.json", "summary.json", "log.jsonl", TRACKED_AS),
)
"""What training writes into a run folder itself."""

Tensors = dict[str, dict[str, Tensor]]
"""File stem -> named tensors."""


@dataclass(frozen=True)
class Saved:
    """Everything that a run needs to go on as if it had never stopped."""

    tensors: Tensors
    state: dict[str, Any]
    """JSON: step, seconds, samples, loader position."""


def save_checkpoint(run: Path, step: int, saved: Saved, keep: int) -> Path:
    """Write checkpoint `step` of a run and drop all older ones but `keep` - 1.

    At every moment, whatever ends the process, `latest` finds the old state or the new one whole. `OSError` leaves
    the older ones as they are.
    """
    folder = run / "checkpoints" / f"{step:08d}"
    beside = _beside(folder)
    try:
        beside.mkdir(parents=True)
        for stem, tensors in saved.tensors.items():
            save_file(tensors, beside / f"{stem}.safetensors")
        (beside / "state.json").write_text(json.dumps(saved.state))
        manifest = {path.name: digest(path) for path in sorted(beside.iterdir())}
        (beside / MANIFEST).write_text(json.dumps(manifest, indent=1))
        put_in_place(beside, folder)
    except Exception as error:
        shutil.rmtree(beside, ignore_errors=True)
        # safetensors reports a full disk as its own exception.
        raise error if isinstance(error, OSError) else OSError(f"cannot write {beside}: {error}") from error
    for old in [other for other in checkpoints(run) if (step_of(other.name) or 0) <= step][keep:]:
        delete_checkpoint(old)  # newer ones can only be damaged: they were passed over when this run went on
    return folder


def put_in_place(beside: Path, folder: Path) -> None:
    """Rename a whole checkpoint to its name; one of that name is set aside, where it still counts, and then dropped."""
    aside = folder.with_name(folder.name + REPLACED)
    if folder.exists():
        delete_checkpoint(aside)
    publish_folder(beside, folder, aside)
    delete_checkpoint(aside)


def delete_checkpoint(folder: Path) -> None:
    """Delete a checkpoint, if it is there; half deleted it has no checkpoint's name any more."""
    if folder.exists():
        with contextlib.suppress(OSError):
            away = folder.rename(_beside(folder))
            shutil.rmtree(away, ignore_errors=True)


def _beside(folder: Path) -> Path:
    """A name beside `folder` that nothing else has, and that `sweep` knows."""
    return folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.tmp")


def sweep(run: Path) -> None:
    """Remove what an interrupted save left behind, of checkpoints and of the other files of a run.

    Only the holder of the run's lock may call it, because what lies there could be another process's unfinished save.
    Files of evaluations stay, because evaluation takes no lock.
    """
    sweep_unfinished(run, *RUN_FILES)
    sweep_unfinished(run / "samples", "*.png", "prompts.txt")
    for path in (run / "checkpoints").glob(".*.tmp"):
        if LEFTOVER.fullmatch(path.name):
            shutil.rmtree(path, ignore_errors=True)
    for aside in (run / "checkpoints").glob(f"*{REPLACED}"):
        if step_of(aside.name) is not None and aside.with_name(aside.name.removesuffix(REPLACED)).is_dir():
            delete_checkpoint(aside)


def load_checkpoint(run: Path) -> tuple[Saved, list[str]]:
    """The newest whole checkpoint, and why newer ones were passed over."""
    folder, reasons = latest(run)
    try:
        tensors = {path.stem: load_file(path) for path in folder.glob("*.safetensors")}
        return Saved(tensors, json.loads((folder / "state.json").read_text())), reasons
    except Exception as error:
        raise UserError(f"{folder} cannot be loaded ({error}); delete it to go on from an older one") from error
