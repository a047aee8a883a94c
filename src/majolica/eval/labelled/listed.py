"""What a source of labelled pictures holds, before its labels are matched with classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from majolica.errors import UserError
from majolica.eval.labelled.pictures import Load, Skipped

LABELS = ("label", "cls", "class", "names", "class_name", "label_name", "category", "wnid", "fine_label")
"""Fields of metadata and columns of tables that hold the label, the preferred one first."""
Label = str | int


@dataclass(frozen=True)
class Listed:
    """The pictures of a source, each with the label that it has there."""

    ids: Sequence[str]
    labels: Sequence[Label]
    load: Load
    skipped: Sequence[Skipped] = field(default=())
    """Pictures without a label."""
    names: Sequence[str] = field(default=())
    """The names of the classes 0, 1, 2, ..., where the source itself gives them."""


def read_label(value: Any) -> Label:
    """Return a label of metadata or of a table: a text, a whole number, or a list of just one of them.

    Raises ValueError, with the reason, for anything else.
    """
    if isinstance(value, list | tuple):
        if len(value) != 1:
            raise ValueError(f"it has {len(value)} labels, and one is needed")
        value = value[0]
    if isinstance(value, bytes):
        try:
            value = value.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise ValueError("its label is not UTF-8 text") from None
    if isinstance(value, str) and value.strip():
        return value.strip()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ValueError("it has no label")


def choose_field(known: Sequence[str], where: str) -> str:
    """Return the column of labels among `known`, the first of `LABELS`. Raises UserError if none of them is there."""
    found = next((name for name in LABELS if name in known), "")
    if not found:
        raise UserError(f"{where} has no column of labels ({', '.join(LABELS)}): it has {', '.join(known) or 'none'}")
    return found
