"""DuckDB refuses to read text that is not UTF-8. Here such values become null, and all others stay as they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from majolica.data.filter.columns import CANONICAL
from majolica.data.filter.plan import Piece
from majolica.data.filter.storage import open_file
from majolica.data.store.arrow import text_kind

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 65_536


class Mended:
    """The rows of a piece, batch by batch, read with pyarrow. `bad` counts the values lost so far, by column."""

    def __init__(self, piece: Piece) -> None:
        self.piece = piece
        self.bad = dict.fromkeys(CANONICAL, 0)

    def reader(self) -> Any:
        """Return a pyarrow.RecordBatchReader of the columns of the piece."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        file = pq.ParquetFile(open_file(self.piece.path))
        names = [column.name for column in self.piece.columns.values()]
        kinds = [file.schema_arrow.field(name) for name in names]
        plain = [_plain(field) for field in kinds]
        return pa.RecordBatchReader.from_batches(pa.schema(plain), self._batches(file, names))

    def _batches(self, file: Any, names: list[str]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        canonical = {column.name: name for name, column in self.piece.columns.items()}
        for batch in file.iter_batches(ROWS, row_groups=_groups(file, self.piece), columns=names):
            arrays = []
            for name in names:
                array = batch.column(name)
                if pa.types.is_dictionary(array.type):
                    array = array.dictionary_decode()
                if text_kind(array.type) == "text":
                    array, lost = _decode(array)
                    self.bad[canonical[name]] += lost
                arrays.append(array)
            yield pa.RecordBatch.from_arrays(arrays, names)


def _groups(file: Any, piece: Piece) -> list[int]:
    """Return the row groups that make up the piece."""
    groups, row = [], 0
    for i in range(file.metadata.num_row_groups):
        if piece.start <= row < piece.stop:
            groups.append(i)
        row += file.metadata.row_group(i).num_rows
    return groups


def _plain(field: Any) -> Any:
    """Return the field as `_batches` gives it: all text has one type, and there are no dictionaries."""
    import pyarrow as pa

    if text_kind(field.type) == "text":
        return pa.field(field.name, pa.string())
    return field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field


def _decode(array: Any) -> tuple[Any, int]:
    """Return the array as text, and how many of its values were not UTF-8."""
    import pyarrow as pa

    raw = array.cast(pa.binary())
    try:
        return raw.cast(pa.string()), 0  # the cast raises for a value that is not UTF-8
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
