"""The files of a run folder that its weights were trained with, and weights that do not fit the model built from them.

With another tokenizer or other values of the properties the same weights mean something else, whatever their shape. So
each checkpoint says which files these were; checkpoints of earlier versions do not, and are believed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from majolica.errors import UserError

STATE = "state.json"
"""The file of a checkpoint that says where the run stands: step, samples, place in the data, options, plan."""
FILES = "files"
"""In that file: the SHA-256 of each companion."""
COMPANIONS = ("tokenizer.model", "properties.json")
PIECES = "text_tower.embedding.weight"
"""One vector for each piece of the tokenizer: without the tokenizer that it was trained with it means nothing."""


def hash_companions(run: Path) -> dict[str, str]:
    """Return the SHA-256 of the companions in a run folder, by name."""
    paths = [run / name for name in COMPANIONS if (run / name).is_file()]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def check_companions(run: Path, state: Mapping[str, Any], complete: bool = False) -> None:
    """Raise UserError if a file in the run folder is not the one that a checkpoint with this `state` was trained with.

    A file that is not there is only missed if all have to be (`complete`): weights may be used without their run.
    """
    there = hash_companions(run)
    for name, sha256 in state.get(FILES, {}).items():
        if name not in there and complete:
            raise UserError(
                f"{run / name} is missing, and the run was trained with it: restore it from a copy of the run"
            )
        if there.get(name, sha256) != sha256:
            raise UserError(
                f"{run / name} is not the file that the run was trained with (SHA-256 {sha256[:12]}...): restore that"
                " one from a copy of the run"
            )


def check_companions_of(checkpoint: Path, run: Path) -> None:
    """Raise UserError as `check_companions` does, for weights that lie in the folder `checkpoint`."""
    try:
        state = json.loads((checkpoint / STATE).read_text())
    except (OSError, ValueError):  # no checkpoint, or one that is damaged, which its manifest tells
        return
    check_companions(run, state)


def check_fit(place: Path, model: Mapping[str, Sequence[int]], weights: Mapping[str, Sequence[int]]) -> None:
    """Raise UserError if the shapes of the weights at `place` are not those of the model, by name."""
    ours, theirs = model.get(PIECES, ()), weights.get(PIECES, ())
    if ours and theirs and ours[0] != theirs[0] and ours[1:] == theirs[1:]:
        raise UserError(
            f"the weights in {place} were trained with a tokenizer of {theirs[0]:,} pieces, and its tokenizer.model has"
            f" {ours[0]:,}: restore the one that they were trained with from a copy of the run"
        )
    for name in sorted(model.keys() | weights.keys()):
        wanted, found = (list(shapes[name]) if name in shapes else "none" for shapes in (model, weights))
        if wanted != found:
            raise UserError(
                f"the weights in {place} do not fit its config.yaml ({name} has the shape {found} and would have"
                f" {wanted}): restore config.yaml from a copy of the run, or train anew into another --out"
            )
