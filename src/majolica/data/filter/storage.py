"""The parquet files that are filtered, and what their footers say."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from majolica.data.store.arrow import text_kind
from majolica.data.store.table_kind import HEAD, explain_not_parquet
from majolica.data.store.tables import find_tables, first_line, open_store, open_table, protocol_of
from majolica.errors import UserError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True)
class InputFile:
    """A parquet file and what its footer says."""

    path: str
    """Absolute path, or URL."""
    version: str
    """It changes when the content does: the size with an ETag or the time of change."""
    groups: tuple[int, ...]
    """Rows in each row group."""
    columns: tuple[tuple[str, str], ...]
    """The name of each column with its kind (text, json, uuid, bytes, whole, real), or with its other type."""

    @property
    def rows(self) -> int:
        return sum(self.groups)


def find_inputs(inputs: Sequence[str], out: Path | None = None, written: Collection[str] = ()) -> list[InputFile]:
    """The files that paths, globs, folders and URLs stand for, each once, in order of their names.

    `written` are the files in the folder `out` that an earlier run left there: they are no inputs.
    Raises UserError where there is no input, where one is not a parquet file, and where one lies in
    `out`.
    """
    if not inputs:
        raise UserError("say what to filter: --inputs PATH ... (parquet files, globs, folders, s3://, gs://, hf://)")
    found: dict[str, str] = {}
    for text in inputs:
        files = find_tables(text)
        found.update(_leave_out(files, text, out.resolve(), written) if out else files)
    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(lambda item: _footer(*item), sorted(found.items())))


def attach(connection: DuckDBPyConnection, paths: Iterable[str]) -> None:
    """Let DuckDB read remote `paths` through fsspec."""
    for protocol in {protocol_of(path) for path in paths} - {"file"}:
        connection.register_filesystem(open_store(f"{protocol}://")[0])


def _leave_out(files: dict[str, str], text: str, out: Path, written: Collection[str]) -> dict[str, str]:
    """The files that do not lie in `out`. Raises UserError where one does that no run wrote, or where none is left."""
    left = {}
    for path, version in files.items():
        place = Path(path).resolve() if protocol_of(path) == "file" else None
        if place is None or place.parent != out:
            left[path] = version
        elif place.name not in written:
            raise UserError(f"{path} lies in --out, where the output would mix with it: choose another --out")
    if not left:
        raise UserError(
            f"{text} is what an earlier run wrote to --out {out}: give other inputs, or choose another --out"
        )
    return left


def _footer(path: str, version: str) -> InputFile:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise UserError("filtering metadata needs pyarrow: pip install 'majolica[data]'") from error
    with open_table(path) as file:
        try:
            footer = pq.read_metadata(file)
            groups = tuple(footer.row_group(i).num_rows for i in range(footer.num_row_groups))
            logical = _logical_kinds(footer.schema)
            columns = tuple(
                (field.name, logical.get(field.name) or _column_kind(field.type))
                for field in footer.schema.to_arrow_schema()
            )
        except (pa.ArrowException, OSError, ValueError) as error:
            file.seek(0)
            if line := explain_not_parquet(path, file.read(HEAD)):
                raise UserError(line) from error
            raise UserError(
                f"{path} is not a whole parquet file ({first_line(error).rstrip('.')}): fetch it again, or leave it out"
            ) from error
    return InputFile(path, version, groups, columns)


def _logical_kinds(schema: Any) -> dict[str, str]:
    """The kinds of the columns that hold JSON or UUIDs, by name. Arrow's types do not always say so."""
    leaves, kinds = [schema.column(i) for i in range(len(schema))], {"JSON": "json", "UUID": "uuid"}
    return {leaf.path: kinds[leaf.logical_type.type] for leaf in leaves if leaf.logical_type.type in kinds}


def _column_kind(kind: Any) -> str:
    import pyarrow.types as types

    if text := text_kind(kind):
        return text
    if types.is_dictionary(kind):
        kind = kind.value_type
    if types.is_integer(kind):
        return "whole"
    if types.is_floating(kind) or types.is_decimal(kind):
        return "real"
    return str(kind)
