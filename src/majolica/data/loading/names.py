"""The names of what the pictures of a data set show, which `majolica data openmoji` writes beside its shards."""

from __future__ import annotations

import json
from pathlib import Path

from majolica.errors import UserError

NAMES = "names.json"


def read_names(home: Path) -> list[str]:
    """The names in `home/names.json`. Raises UserError where it cannot be read or is no list of names."""
    path = home / NAMES
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {path}: {error}") from error
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise UserError(f"cannot read {path}: a list of names was expected; make the data again, or move the file away")
    return found
