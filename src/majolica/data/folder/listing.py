"""The local pictures of a folder or a table, read as rows in an order that depends only on the source."""

from __future__ import annotations

import csv
import json
import logging
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from majolica.config.shard import ShardConfig
from majolica.errors import UserError, unknown_name

log = logging.getLogger(__name__)

ListedRow = dict[str, Any]
"""`path` is the path of the picture, absolute or relative to `base`; `caption` and `meta` are there if a table gives
them.

In path and caption, bytes that are not UTF-8 are surrogates.
"""

_WEB = {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".avif"}
PICTURES = frozenset(_WEB | {".tif", ".tiff", ".heic", ".heif", ".jp2", ".ppm"})
"""Extensions of files that count as pictures in a folder. Pictures that cannot be read are reported, not passed
over."""
PATHS = ("path", "file", "file_name", "filename", "filepath", "image_path", "image")
CAPTIONS = ("caption", "text", "TEXT", "description", "prompt", "title", "alt")
TABLES = (".parquet", ".csv", ".tsv", ".jsonl", ".ndjson")


def base_folder(source: Path) -> Path:
    """Return the folder that relative paths start from."""
    return source if source.is_dir() else source.parent


def rows(config: ShardConfig) -> Iterator[ListedRow]:
    """Yield every picture of the source. Only one row, and the names in one folder, are in memory at a time.

    Folders are read in the order of names; links to folders and names that begin with a dot are passed over. Raises
    UserError for a source that is missing, is no table, or lacks a column.
    """
    source = Path(config.source)
    if source.is_dir():
        return ({"path": path} for path in _walk(source, ""))
    if not source.exists():
        raise UserError(f"there is no {source}: give a folder of pictures, or a table of their paths")
    if source.suffix.lower() not in TABLES:
        raise UserError(f"{source} is neither a folder nor a table ({', '.join(TABLES)})")
    return _table(source, config)


def _walk(folder: Path, within: str) -> Iterator[str]:
    try:
        with os.scandir(folder) as found:
            entries = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in found)
    except OSError as error:
        log.warning("the folder %s cannot be read (%s): its pictures are left out", folder, error.strerror)
        return
    for name, is_folder in entries:
        if name.startswith("."):
            continue
        if is_folder:
            yield from _walk(folder / name, f"{within}{name}/")
        elif os.path.splitext(name)[1].lower() in PICTURES:
            yield f"{within}{name}"


def _table(source: Path, config: ShardConfig) -> Iterator[ListedRow]:
    kind = source.suffix.lower()
    read = {".parquet": _parquet, ".csv": _csv, ".tsv": _csv}.get(kind, _json_lines)
    try:
        records = read(source)
        first = next(records, None)
        if first is None:
            if problem := _no_header(source, _first_line(source)):
                raise UserError(problem)
            return
        # Each line of JSON names its own fields, so the first of them may lack some.
        names = (
            list(first) if read is not _json_lines else list(dict.fromkeys(key for row in read(source) for key in row))
        )
        path = _column(source, names, config.path_column, PATHS, "paths", "--path-column")
        caption = _caption_column(source, names, config)
        while first is not None:
            others = {name: value for name, value in first.items() if name not in (path, caption) and value is not None}
            kept = {name: _decode(value, "backslashreplace") for name, value in others.items()}
            place, words = (_decode(first.get(name), "surrogateescape") for name in (path, caption))
            yield {"path": place, "caption": words, "meta": kept}
            first = next(records, None)
    except UnicodeDecodeError as error:
        raise UserError(f"cannot read {source}: it is not UTF-8 ({error}); save it as UTF-8") from error
    except (OSError, csv.Error) as error:
        raise UserError(f"cannot read {source}: {' '.join(str(error).split())}") from error


def _caption_column(source: Path, names: Sequence[str], config: ShardConfig) -> str:
    """Return the column of captions; "" if there is none and the names of files or folders can be used instead."""
    optional = "given" not in config.caption or len(config.caption) > 1
    if not config.caption_column and optional and not set(names) & set(CAPTIONS):
        return ""
    return _column(source, names, config.caption_column, CAPTIONS, "captions", "--caption-column")


def _column(source: Path, names: Sequence[str], asked: str, usual: Sequence[str], what: str, option: str) -> str:
    if asked:
        if asked not in names:
            raise unknown_name(f"column of {source}", asked, names)
        return asked
    for name in usual:
        if name in names:
            return name
    raise UserError(
        _no_header(source, [str(name) for name in names])
        or f"{source} has no column of {what} ({', '.join(usual)}): it has {', '.join(map(str, names)) or 'none'};"
        f" name one with {option}"
    )


def _first_line(source: Path) -> list[str]:
    """Return the cells of the first line of a .csv or .tsv; none for another table."""
    if source.suffix.lower() not in (".csv", ".tsv"):
        return []
    with source.open(encoding="utf-8-sig", newline="") as file:
        return next(csv.reader(file, delimiter="\t" if source.suffix.lower() == ".tsv" else ","), [])


def _no_header(source: Path, names: Sequence[str]) -> str:
    """Return what is wrong with the first line of a .csv or .tsv that names no columns; "" if it may be a header."""
    kind = source.suffix.lower()
    if kind not in (".csv", ".tsv"):
        return ""
    line = ", ".join(name[:40] for name in names[:4])
    if any(os.path.splitext(name)[1].lower() in PICTURES for name in names):
        return (
            f"the first line of {source} ({line}) names a picture and no columns: put a line in front of it that names"
            f" them, such as path{',' if kind == '.csv' else '<tab>'}caption"
        )
    for sign, called in ((";", "semicolons"), ("\t", "tabs"), (",", "commas")):
        if len(names) == 1 and sign in names[0]:
            return f"the columns of {source} are separated by {called}: a .csv has commas between them, a .tsv tabs"
    return ""


def _parquet(source: Path) -> Iterator[ListedRow]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise UserError(f"{source} needs pyarrow: pip install 'majolica[data]'") from error
    from majolica.data.store.arrow import as_bytes, text_kind
    from majolica.data.store.arrow_json import is_json, json_values
    from majolica.data.store.json_values import json_value

    try:
        with pyarrow.parquet.ParquetFile(source) as file:
            if not file.metadata.num_rows:
                return
            for batch in file.iter_batches(1024):
                # Texts are read as bytes, because one text that is not UTF-8 would make the whole table fail.
                columns = [as_bytes(c) if text_kind(c.type) else c for c in batch]
                named = zip(batch.schema.names, batch, strict=True)
                known = {name: json_values(column) for name, column in named if is_json(column.type)}
                rows = pyarrow.RecordBatch.from_arrays(columns, batch.schema.names).to_pylist()
                for number, plain in enumerate(rows):
                    row = plain | {name: values[number] for name, values in known.items()}
                    yield {
                        name: value if isinstance(value, bytes) else json_value(value) for name, value in row.items()
                    }
    except pyarrow.ArrowException as error:
        raise UserError(f"cannot read {source}: {' '.join(str(error).split())}") from error


def _decode(value: Any, errors: str) -> Any:
    return value.decode("utf-8", errors) if isinstance(value, bytes) else value


def _csv(source: Path) -> Iterator[ListedRow]:
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))  # a caption of some megabytes is unusual, but no error
    with source.open(encoding="utf-8-sig", newline="") as file:
        lines = _Lines(file)
        # Otherwise a quote that is never closed would take all rows that follow for one cell, without a word.
        reader = csv.DictReader(lines, delimiter="\t" if source.suffix.lower() == ".tsv" else ",", strict=True)
        for row in _closed_rows(reader, lines, source):
            surplus: Any = row.pop(None, None)  # the cells beyond the named columns
            if surplus and any(surplus):
                raise UserError(
                    _no_header(source, reader.fieldnames or [])
                    or f"{source}, line {reader.line_num}: there are more cells than the first line names columns"
                    f" ({', '.join(surplus)[:40]!r} is left over): put a caption that holds the separator in quotes"
                )
            yield dict(row)


class _Lines:
    """The lines of a table. It knows at which one a row begins, which is not the last one if cells have several."""

    def __init__(self, file: Iterable[str]) -> None:
        self._file = enumerate(file, 1)
        self.begin: int | None = None
        """The number of the first line since this was None that is not empty."""

    def __iter__(self) -> Iterator[str]:
        for number, line in self._file:
            if self.begin is None and line.strip("\r\n"):
                self.begin = number
            yield line


def _closed_rows(reader: csv.DictReader[str], lines: _Lines, source: Path) -> Iterator[dict[str | Any, Any]]:
    """Yield the rows of a table. Raises UserError for a cell that begins with a quote and does not end with one."""
    try:
        reader.fieldnames  # noqa: B018  # this reads the first line
        lines.begin = None
        for row in reader:
            yield row
            lines.begin = None
    except csv.Error as error:
        raise UserError(
            f"{source}, line {lines.begin or reader.line_num}: a cell begins with a quote that is not closed at its end"
            f' ({error}); close it, or write a quote that belongs to the text as """" (quoted and doubled)'
        ) from error


def _json_lines(source: Path) -> Iterator[ListedRow]:
    with source.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line, parse_constant=lambda _: None)
            except (ValueError, RecursionError):
                row = None
            if not isinstance(row, dict):
                raise UserError(f"{source}, line {number}: not a JSON mapping")
            yield row
