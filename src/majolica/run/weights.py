"""Where a run keeps its weights, and reading them back whole or not at all."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor

from majolica.errors import UserError
from majolica.lock import find_holder
from majolica.run.companions import check_companions_of

MANIFEST = "manifest.json"
AVERAGED = "ema.safetensors"
"""The file of a checkpoint that holds the averaged weights."""
BEST = "best"
"""In a run folder: the checkpoint that did best in an evaluation."""
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
    manifest = _read_manifest(folder)
    for name in files or manifest:
        try:
            found = digest(folder / name)
        except OSError as error:
            raise DamagedCheckpoint(f"{folder / name} is missing") from error
        if found != manifest.get(name):
            raise DamagedCheckpoint(f"{folder / name} has changed since it was written")


def _read_manifest(folder: Path) -> dict[str, str]:
    try:
        manifest: dict[str, str] = json.loads((folder / MANIFEST).read_text())
    except (OSError, ValueError) as error:
        raise DamagedCheckpoint(f"{folder / MANIFEST} cannot be read ({error})") from error
    return manifest


def check_file(file: Path) -> None:
    """Raise UserError if a file is one of a checkpoint and not what was written; other files are believed."""
    try:
        if (file.parent / MANIFEST).is_file() and file.name in _read_manifest(file.parent):
            verify(file.parent, [file.name])
    except DamagedCheckpoint as damage:
        raise UserError(f"{file} cannot be read: {damage}") from damage


def choose_checkpoint(place: Path, say: Callable[[str], None]) -> Path:
    """Return the newest checkpoint of a run folder whose averaged weights are whole; another place as it is.

    All processes load the same one, also if the run is trained meanwhile. `say` hears why newer ones are passed over.
    """
    if not (place.is_dir() and checkpoints(place)):
        return place
    folder, reasons = latest(place, [AVERAGED])
    for reason in reasons:
        say(f"passed over a damaged checkpoint: {reason}")
    return folder


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
    if holder := find_holder(run):
        raise UserError(f"{run} holds no checkpoint yet: {holder} is training it; wait for its first checkpoint")
    if (run / "config.yaml").exists():
        raise UserError(f"{run} holds no checkpoint yet: `majolica train --resume {run}` trains it")
    raise UserError(f"{run} holds no checkpoint: train it first, or name another run folder")


@dataclass(frozen=True)
class Weights:
    """Averaged (EMA) weights, and the SHA-256 of the file that they were read from."""

    tensors: dict[str, Tensor]
    sha256: str


def home_of(place: Path) -> Path:
    """The run folder that the weights at `place` belong to, or else the folder that they lie in."""
    folder = place.parent if place.is_file() or place.suffix == ".safetensors" else place
    if (folder / "config.yaml").is_file():  # a run, which may lie in a folder that is called checkpoints
        return folder
    return folder.absolute().parents[1] if folder.parent.name in ("checkpoints", BEST) else folder


def load_averaged(place: Path) -> Weights:
    """The averaged weights of a run's newest checkpoint in which they are whole, of a checkpoint, or of a file.

    `place` is a run folder, one of its checkpoint folders, or a safetensors file. Raises UserError where they cannot
    be read.
    """
    if place.is_file():
        check_file(place)
        return _load(place, digest(place))
    if (place / AVERAGED).is_file():
        try:
            verify(place, [AVERAGED])
        except DamagedCheckpoint as damage:
            raise UserError(f"{place} cannot be read: {damage}") from damage
        return _load(place / AVERAGED, hash_averaged(place))
    while True:
        folder, _ = latest(place, [AVERAGED])
        try:
            return _load(folder / AVERAGED, hash_averaged(folder))
        except (UserError, OSError):
            if folder.exists():  # else a training has just deleted it, and there is a newer one
                raise


def hash_averaged(checkpoint: Path) -> str:
    """The SHA-256 of a checkpoint's averaged weights, as its manifest has it."""
    manifest: dict[str, str] = json.loads((checkpoint / MANIFEST).read_text())
    return manifest[AVERAGED]


def _load(path: Path, sha256: str) -> Weights:
    check_companions_of(path.parent, home_of(path))
    try:
        return Weights(load_file(path), sha256)
    except Exception as error:  # safetensors has an exception of its own
        reason = " ".join(str(error).split())
        raise UserError(
            f"{path} cannot be loaded as weights ({reason}): name a run folder, one of its checkpoints, or a"
            " .safetensors file"
        ) from error


def load_ema(place: Path) -> dict[str, Tensor]:
    """The averaged (EMA) weights at a place that `load_averaged` reads."""
    return load_averaged(place).tensors
