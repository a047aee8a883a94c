"""Opens labelled pictures wherever they lie: folders of classes, shards, tables."""

from __future__ import annotations

from pathlib import Path

from majolica.data.folder.listing import TABLES
from majolica.data.pictures.frame import Fit
from majolica.errors import UserError
from majolica.eval.labelled.class_list import ClassList, fold_class_name, list_classes
from majolica.eval.labelled.folders import list_folder
from majolica.eval.labelled.listed import Label, Listed
from majolica.eval.labelled.pictures import LabelledPictures
from majolica.eval.labelled.tables import list_parquets, list_table
from majolica.eval.labelled.tars import list_tars


def open_labelled(source: Path, class_list: ClassList | None, side: int, fit: Fit = "crop") -> LabelledPictures:
    """Open a set of labelled pictures, to be read as squares of `side` pixels.

    `source` is a folder with one folder of pictures for each class, a folder of tars or of .parquet files, or a table
    (.parquet, .csv, .tsv, .jsonl). Without a class list, the classes are those that the source names, in the order of
    the alphabet unless it numbers them. No picture is decoded yet. Raises UserError for a source that is missing,
    empty or of no such kind, and for a label that is not in the class list.
    """
    listed = _list(source)
    classes = class_list or _classes_of(listed, source)
    known = {label: _find(classes, label, source) for label in dict.fromkeys(listed.labels)}
    return LabelledPictures(
        str(source),
        classes,
        tuple(listed.ids),
        tuple(known[label] for label in listed.labels),
        listed.load,
        side,
        fit,
        tuple(listed.skipped),
    )


def _list(source: Path) -> Listed:
    if not source.exists():
        raise UserError(f"there is no {source}: give a folder of classes, a folder of shards, or a table")
    if source.is_dir():
        if any(source.glob("*.tar")):
            return list_tars(source)
        parquets = sorted(source.glob("*.parquet"))
        return list_parquets(parquets) if parquets else list_folder(source)
    kind = source.suffix.lower()
    if kind not in TABLES:
        raise UserError(f"{source} is neither a folder nor a table ({', '.join(TABLES)})")
    if kind == ".parquet":
        return list_parquets([source])
    return list_table(source)


def _classes_of(listed: Listed, source: Path) -> ClassList:
    """Make a class list of what the source itself calls its classes."""
    if listed.names:
        return list_classes(listed.names)
    if any(isinstance(label, int) for label in listed.labels):
        raise UserError(
            f"the labels in {source} are numbers: give a class list, whose first line is the name of class 0"
        )
    # "Red_apple" and "red apple" are one class, called as it is written first in the order of the alphabet.
    names: dict[str, str] = {}
    for label in sorted({str(label) for label in listed.labels}):
        name = label.replace("_", " ").strip()
        names.setdefault(fold_class_name(name), name)
    return list_classes(list(names.values()))


def _find(classes: ClassList, label: Label, source: Path) -> int:
    try:
        return classes.find(label)
    except UserError as error:
        raise UserError(f"{source}: {error}") from error
