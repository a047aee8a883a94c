"""The rows to fetch: parquet files as one long table, any stretch of which can be read alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from majolica.data.store.arrow import as_bytes
from majolica.data.store.arrow_json import NotText, is_json, json_texts
from majolica.data.store.field_names import rename_taken
from majolica.data.store.table_kind import HEAD, explain_not_parquet
from majolica.data.store.tables import find_tables, first_line, open_table
from majolica.errors import UserError

URL_NAMES = ("url", "URL", "Url", "image_url", "img_url")
CAPTION_NAMES = ("caption", "text", "TEXT", "Caption", "CAPTION", "alt_text", "ALT", "alt")

_END = 64 << 10
"""The bytes at each end of a file that are compared beside its footer."""


@dataclass(frozen=True)
class Source:
    """One parquet file, and what tells whether it is still the same."""

    path: str
    rows: int
    mark: str = ""
    """Its size, and a hash of its two ends; "" in plans that were made before contents were compared."""


@dataclass(frozen=True)
class Columns:
    """Names of the columns of URLs and of captions."""

    url: str
    caption: str


def find_sources(patterns: Sequence[str]) -> list[Source]:
    """The files that `patterns` (files, folders, globs, URLs of fsspec) name, each sorted and once, and their rows."""
    if not patterns:
        raise UserError("nothing to fetch: give parquet files with --input")
    paths = list(dict.fromkeys(path for pattern in patterns for path in find_tables(pattern)))
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(read_source, paths))


def read_source(path: str) -> Source:
    """Return the file at `path` as a source. Raises UserError if it is no parquet file."""
    with _open(path) as file:
        return Source(path, int(file.metadata.num_rows), _mark(path))


def changed_source(path: str, folder: object) -> UserError:
    """Return the error for an input file that is not the one with which `folder` was begun."""
    return UserError(f"{path} has changed since {folder} was begun; use another --out, or bring the old file back")


def find_columns(source: Source, url: str, caption: str) -> Columns:
    """The columns called `url` and `caption`, or by one of the usual names where those are empty."""
    with _open(source.path) as file:
        names = list(file.schema_arrow.names)
    return Columns(
        _column(names, url, URL_NAMES, "URLs", "url_column", source.path),
        _column(names, caption, CAPTION_NAMES, "captions", "caption_column", source.path),
    )


def check_schemas(sources: Sequence[Source], columns: Columns) -> None:
    """Raise UserError if the columns of all files do not make one table; only their footers are read."""
    with ThreadPoolExecutor(8) as pool:
        schemas = pool.map(lambda source: _schema(source.path, columns), sources)
        joined: dict[str, tuple[pa.Field, str]] = {}
        for source, schema in zip(sources, schemas, strict=True):
            for field in schema:
                before, path = joined.get(field.name, (field, source.path))
                both = _join(before, field, path, source.path)
                joined[field.name] = (both, path if both.type == before.type else source.path)


def read_rows(sources: Sequence[Source], start: int, stop: int, columns: Columns) -> pa.Table:
    """Rows [start, stop) of all `sources` in order, columns url and caption (binary) first, then all others."""
    pieces = []
    for source in sources:
        if start < source.rows and stop > 0:
            piece = _stretch(source, max(start, 0), min(stop, source.rows))
            pieces.append(_rename(piece, columns, source.path))
        start, stop = start - source.rows, stop - source.rows
    try:
        return pa.concat_tables(pieces, promote_options="permissive").combine_chunks()
    except pa.ArrowException as error:
        raise UserError(f"the columns of the input files do not fit together: {first_line(error)}") from error


def _stretch(source: Source, start: int, stop: int) -> pa.Table:
    """Rows [start, stop) of one file; only the row groups they lie in are read, batch by batch."""
    with _open(source.path) as file:
        if file.metadata.num_rows != source.rows or (source.mark and source.mark != _mark(source.path)):
            raise changed_source(source.path, "this folder")
        groups: list[int] = []
        first = place = 0
        for group in range(file.metadata.num_row_groups):
            size = file.metadata.row_group(group).num_rows
            if place < stop and place + size > start:
                first = place if not groups else first
                groups.append(group)
            place += size
        pieces = list(_cut(file.iter_batches(8192, row_groups=groups), start - first, stop - first))
        return pa.Table.from_batches(pieces, schema=pieces[0].schema if pieces else file.schema_arrow)


def _cut(batches: Iterable[Any], start: int, stop: int) -> Iterator[Any]:
    for batch in batches:
        if start < batch.num_rows and stop > 0:
            yield batch.slice(max(start, 0), min(stop, batch.num_rows) - max(start, 0))
        start, stop = start - batch.num_rows, stop - batch.num_rows
        if stop <= 0:
            return


def _rename(table: pa.Table, columns: Columns, path: str) -> pa.Table:
    front = []
    for name in (columns.url, columns.caption):
        if name not in table.column_names:
            raise UserError(f"{path} has no column {name!r}, which other input files have")
        column = table.column(name)
        try:
            front.append(json_texts(column) if is_json(column.type) else as_bytes(column))  # one type in every file
        except NotText as error:
            raise UserError(
                f"{path}: the column {name!r} is JSON, and {error} in it is not text: write only texts into the column"
            ) from None
        except pa.ArrowException:
            raise UserError(f"{path}: the column {name!r} is {column.type}, not text") from None
    rest = [name for name in table.column_names if name not in (columns.url, columns.caption)]
    names = ["url", "caption", *rename_taken(rest, ("url", "caption"))]
    return pa.table([*front, *(_one_kind(table.column(name)) for name in rest)], names=names)


def _schema(path: str, columns: Columns) -> pa.Schema:
    """Return the columns that `read_rows` makes of a file."""
    with _open(path) as file:
        return _rename(file.schema_arrow.empty_table(), columns, path).schema


def _join(first: pa.Field, second: pa.Field, path: str, other: str) -> pa.Field:
    """Return a column that holds the values of both. `first` comes from the file `path`, and `second` from `other`."""
    try:
        return pa.unify_schemas([pa.schema([first]), pa.schema([second])], promote_options="permissive").field(0)
    except pa.ArrowException as error:
        raise UserError(
            f"the column {first.name!r} is {first.type} in {path} and {second.type} in {other}: give it one type in all"
            " files, leave it out, or fetch the files into different folders"
        ) from error


def _one_kind(column: Any) -> Any:
    """Return a column of a dictionary as its values, because some files have the same texts without one."""
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _open(path: str) -> pq.ParquetFile:
    file = open_table(path)
    try:
        # A buffer instead of whole column chunks keeps memory flat however large the row groups are.
        return pq.ParquetFile(file, buffer_size=1 << 20)
    except Exception as error:
        head = b""
        with suppress(Exception):  # a store that refuses to be read has been heard
            file.seek(0)
            head = file.read(HEAD)
        if line := explain_not_parquet(path, head):
            raise UserError(line) from error
        raise UserError(f"{path} cannot be read as parquet: {first_line(error)}") from error


def _mark(path: str) -> str:
    """Return the size of a parquet file, and a hash of its beginning, of its footer and of what precedes the footer.

    The footer says where each column of each row group lies and, as a rule, its least and greatest values. The two ends
    also hold values, which tell files apart whose footers are equal.
    """
    with open_table(path) as file:
        try:
            size = file.seek(0, 2)
            file.seek(max(0, size - 8))
            footer = int.from_bytes(file.read(4), "little")
            file.seek(max(0, size - 8 - footer - _END))
            seen = hashlib.sha256(file.read())
            file.seek(0)
            seen.update(file.read(_END))
        except Exception as error:  # each store raises exceptions of its own
            raise UserError(f"cannot read {path}: {first_line(error)}") from error
    return f"{size} {seen.hexdigest()[:32]}"


def _column(names: list[str], wanted: str, usual: Sequence[str], what: str, option: str, path: str) -> str:
    if wanted and wanted not in names:
        raise UserError(f"{path} has no column {wanted!r} for {what}; it has {', '.join(names)}")
    found = wanted or next((name for name in usual if name in names), "")
    if not found:
        raise UserError(
            f"{path} has no column of {what}: looked for {', '.join(usual)}; it has {', '.join(names)}; "
            f"name the right one with --{option.replace('_', '-')}"
        )
    return found
