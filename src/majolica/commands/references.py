"""Reference pictures on the command line: how many there are, and what the pictures that follow them say of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from majolica.errors import UserError
from majolica.plurals import counted


def describe_references(paths: Sequence[Path], weight: float | None, prompts: int) -> list[dict[str, Any]]:
    """For each of the prompts the settings that name its reference: file name, SHA-256 and weight.

    The list is empty where there are no references. Raises UserError for a file that cannot be read, and for another
    number than one for all prompts or one for each.
    """
    if not paths:
        return []
    if len(paths) not in (1, prompts):
        found = f"{counted(len(paths), 'reference')} for {counted(prompts, 'prompt')}"
        raise UserError(f"there are {found}: give --reference once for all, or once for each prompt")
    described = [{"reference": _describe(path), "reference_guidance": weight} for path in paths]
    return described * prompts if len(described) == 1 else described


def _describe(path: Path) -> dict[str, str]:
    from majolica.run.weights import digest

    try:
        return {"file": path.name, "sha256": digest(path)}
    except OSError as error:
        raise UserError(f"cannot read the reference {path}: {error.strerror or error}") from error
