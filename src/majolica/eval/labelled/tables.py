"""Labelled pictures in tables: .parquet with the pictures inside it or with their paths, .csv, .tsv and .jsonl."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from majolica.config.shard import ShardConfig
from majolica.data.folder.listing import PATHS, rows
from majolica.data.pictures.faults import BadSample
from majolica.data.store.arrow import text_kind
from majolica.errors import UserError
from majolica.eval.labelled.folders import load_files
from majolica.eval.labelled.listed import Label, Listed, choose_field, read_label
from majolica.eval.labelled.pictures import Encoded, Skipped

IMAGES = ("image", "img", "jpg", "png", "webp", "picture", "image_bytes", *PATHS)
"""Columns of pictures, or of their paths, the preferred one first."""
_ROWS = 64
"""Rows of a .parquet that are in memory at once."""


def list_table(file: Path) -> Listed:
    """List the rows of a .csv, .tsv, .jsonl or .ndjson: paths, relative to the folder of the table, and labels.

    Rows without a label are left out. Raises UserError for a table that cannot be read or lacks a column.
    """
    config = ShardConfig(source=str(file), caption=("empty",))
    found = list(rows(config))
    if not found:
        raise UserError(f"there are no rows in {file}: give one line for each picture")
    column = choose_field(list(dict.fromkeys(name for row in found for name in row["meta"])), str(file))
    paths, labels, skipped = [], [], []
    for number, row in enumerate(found):
        try:
            labels.append(read_label(row["meta"].get(column)))
            paths.append(str(row["path"] or ""))
        except ValueError as error:
            skipped.append(Skipped(str(row["path"] or f"row {number}"), str(error)))
    return Listed(paths, labels, lambda some: load_files([file.parent / paths[i] for i in some]), skipped)


@dataclass(frozen=True)
class _Table:
    """The rows of a .parquet whose labels can be used."""

    file: Path
    column: str
    numbers: Sequence[int]


def list_parquets(files: Sequence[Path]) -> Listed:
    """List the rows of .parquet files, as the Hugging Face hub has them: pictures as {bytes, path}, bytes or paths.

    Labels are names, or numbers, whose names are taken from the metadata that `datasets` writes. Only the column of
    labels is read. Rows without a label are left out. Raises UserError for a file that cannot be read or lacks a
    column, and if pyarrow is missing.
    """
    tables: list[_Table] = []
    ids: list[str] = []
    labels: list[Label] = []
    skipped: list[Skipped] = []
    names: Sequence[str] = ()
    for file in files:
        opened = _open(file)
        try:
            schema = opened.schema_arrow
            image = _choose_image(schema.names, file)
            label = choose_field(schema.names, str(file))
            names = names or _names_in(schema.metadata or {}, label)
            numbers = []
            for number, value in enumerate(opened.read(columns=[label]).column(0).to_pylist()):
                try:
                    labels.append(read_label(value))
                    ids.append(f"{file.name}, row {number}")
                    numbers.append(number)
                except ValueError as error:
                    skipped.append(Skipped(f"{file.name}, row {number}", str(error)))
            tables.append(_Table(file, image, numbers))
        finally:
            opened.close()
    if not ids:
        raise UserError(f"there are no labelled rows in {', '.join(map(str, files))}: give one row for each picture")
    return Listed(ids, labels, lambda some: _load(tables, some), skipped, names)


def _open(file: Path) -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise UserError(f"{file} needs pyarrow: pip install 'majolica[data]'") from error
    try:
        return pyarrow.parquet.ParquetFile(file)
    except (pyarrow.ArrowException, OSError) as error:
        raise UserError(f"cannot read {file}: {' '.join(str(error).split())}") from error


def _choose_image(known: Sequence[str], file: Path) -> str:
    found = next((name for name in IMAGES if name in known), "")
    if not found:
        raise UserError(
            f"{file} has no column of pictures ({', '.join(IMAGES[:7])}): it has {', '.join(known) or 'none'}"
        )
    return found


def _names_in(metadata: dict[bytes, bytes], label: str) -> tuple[str, ...]:
    """Return the names of a ClassLabel feature, which `datasets` writes into the schema; none if they are not there."""
    try:
        names = json.loads(metadata[b"huggingface"])["info"]["features"][label]["names"]
    except (KeyError, TypeError, ValueError):
        return ()
    return tuple(names) if isinstance(names, list) and all(isinstance(name, str) for name in names) else ()


def _load(tables: Sequence[_Table], some: Sequence[int]) -> Iterator[Encoded]:
    """Yield the pictures with the numbers `some`, which ascend; each row group is read once."""
    ends = list(accumulate(len(table.numbers) for table in tables))
    place = 0
    while place < len(some):
        number = bisect_right(ends, some[place])
        start = ends[number] - len(tables[number].numbers)
        stop = next((i for i in range(place, len(some)) if some[i] >= ends[number]), len(some))
        wanted = [tables[number].numbers[i - start] for i in some[place:stop]]
        yield from _load_rows(tables[number], wanted)
        place = stop


def _load_rows(table: _Table, wanted: Sequence[int]) -> Iterator[Encoded]:
    opened, given = _open(table.file), 0
    try:
        sizes = [opened.metadata.row_group(group).num_rows for group in range(opened.num_row_groups)]
        starts = list(accumulate(sizes, initial=0))
        groups = sorted({bisect_right(starts, row) - 1 for row in wanted})
        for group in groups:
            first = starts[group]
            for batch in opened.iter_batches(_ROWS, row_groups=[group], columns=[table.column]):
                while given < len(wanted) and wanted[given] < first + batch.num_rows:
                    yield _encoded(batch.column(0)[wanted[given] - first], table.file.parent)
                    given += 1
                first += batch.num_rows
                if given == len(wanted) or wanted[given] >= starts[group + 1]:
                    break
    except OSError as error:
        for _ in wanted[given:]:
            yield BadSample(" ".join(str(error).split()))
    finally:
        opened.close()


def _encoded(cell: Any, folder: Path) -> Encoded:
    """Return the file of a picture that a cell holds or names."""
    value = cell.as_py()
    if isinstance(value, dict):
        value = value.get("bytes") or value.get("path")
    if isinstance(value, bytes) and text_kind(cell.type) != "text":
        return value
    if isinstance(value, str) and value:
        return next(load_files([folder / value]))
    return BadSample("there is neither a picture nor a path")
