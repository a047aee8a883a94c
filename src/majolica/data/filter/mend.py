"""Reads files with text that is not UTF-8 or JSON that is none, which DuckDB refuses: such values become NULL."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from uuid import UUID

from majolica.data.filter.columns import CANONICAL
from majolica.data.filter.plan import Piece
from majolica.data.store.arrow import text_kind
from majolica.data.store.tables import open_table

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 65_536


class MendedPiece:
    """The rows of a piece, read batch by batch with pyarrow.

    `bad` counts the values of each column that have become NULL so far.
    """

    def __init__(self, piece: Piece) -> None:
        self.piece = piece
        self.bad = dict.fromkeys(CANONICAL, 0)
        self._uuids = {column.name for column in piece.columns.values() if column.kind == "uuid"}
        self._place = {column.name: piece.place(column) for column in piece.columns.values()}

    def reader(self) -> Any:
        """A pyarrow.RecordBatchReader of the piece's columns."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        file = pq.ParquetFile(open_table(self.piece.path))
        names = [column.name for column in self.piece.columns.values()]
        kinds = [file.schema_arrow.field(name) for name in names]
        plain = [
            (pa.field(field.name, pa.string()) if field.name in self._uuids else _plain(field)).with_name(
                self._place[field.name]
            )
            for field in kinds
        ]
        return pa.RecordBatchReader.from_batches(pa.schema(plain), self._batches(file, names))

    def _batches(self, file: Any, names: list[str]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        canonical = {column.name: name for name, column in self.piece.columns.items()}
        for batch in file.iter_batches(ROWS, row_groups=_groups(file, self.piece), columns=names):
            arrays = []
            for name in names:
                array = batch.column(name)
                if isinstance(array, pa.ExtensionArray):  # JSON is text of a type of its own
                    array = array.storage
                if name in self._uuids:  # the sixteen bytes of each
                    array = pa.array([value and str(UUID(bytes=value)) for value in array.to_pylist()], pa.string())
                if pa.types.is_dictionary(array.type):
                    array = array.dictionary_decode()
                if text_kind(array.type) == "text":
                    array, lost = _decode(array)
                    self.bad[canonical[name]] += lost
                arrays.append(array)
            yield pa.RecordBatch.from_arrays(arrays, [self._place[name] for name in names])


def _groups(file: Any, piece: Piece) -> list[int]:
    """The numbers of the row groups that make up the piece."""
    groups, row = [], 0
    for i in range(file.metadata.num_row_groups):
        if piece.start <= row < piece.stop:
            groups.append(i)
        row += file.metadata.row_group(i).num_rows
    return groups


def _plain(field: Any) -> Any:
    """The field in the form in which `_batches` gives it: text of one type, and no dictionaries."""
    import pyarrow as pa

    if isinstance(field.type, pa.BaseExtensionType):
        field = field.with_type(field.type.storage_type)
    if text_kind(field.type) == "text":
        return pa.field(field.name, pa.string())
    return field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field


def _decode(array: Any) -> tuple[Any, int]:
    """The array as text, and the number of values that were not UTF-8."""
    import pyarrow as pa

    raw = array.cast(pa.binary())
    try:
        return raw.cast(pa.string()), 0  # this checks that it is UTF-8
    except pa.ArrowInvalid:
        pass
    values = [None if value is None else _text(value) for value in raw.to_pylist()]
    lost = sum(value is None for value in values) - raw.null_count
    return pa.array(values, pa.string()), lost


def _text(value: bytes) -> str | None:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return None
