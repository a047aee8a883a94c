"""Plans how the input is cut into stretches, each of which one task reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from majolica.config.filter import FilterConfig
from majolica.data.filter.columns import Column, match_columns
from majolica.data.filter.database import place_name
from majolica.data.filter.rules import check_columns
from majolica.data.filter.storage import InputFile
from majolica.errors import UserError

MOST_PIECES = 64
MOST_BUCKETS = 1024


@dataclass(frozen=True)
class Piece:
    """Rows [start, stop) of a file, which are whole row groups, and the columns to read."""

    path: str
    start: int
    stop: int
    columns: dict[str, Column]
    names: tuple[str, ...]
    """The names of all columns of the file, in their order."""

    @property
    def placed(self) -> dict[str, Column]:
        """The columns to read, each called by its place, because names may differ in capitals alone."""
        return {key: replace(column, name=self.place(column)) for key, column in self.columns.items()}

    def place(self, column: Column) -> str:
        """What `placed` calls a column."""
        return place_name(self.names.index(column.name))


@dataclass(frozen=True)
class RowStretch:
    """What one task of the scan reads."""

    number: int
    pieces: tuple[Piece, ...]

    @property
    def rows(self) -> int:
        return sum(piece.stop - piece.start for piece in self.pieces)


def plan_stretches(config: FilterConfig, files: Sequence[InputFile]) -> tuple[list[RowStretch], list[str]]:
    """The stretches of the input, and warnings about rules for which a file has no column.

    Raises UserError as `match_columns` does.
    """
    pieces: list[Piece] = []
    warnings: list[str] = []
    for file in files:
        columns = match_columns(config.columns, dict(file.columns), file.path)
        warnings += check_columns(config, columns, file.path)
        names = tuple(name for name, _ in file.columns)
        _check_single(names, columns, file.path)
        pieces += [Piece(file.path, start, stop, columns, names) for start, stop in _cuts(file.groups, config)]
    return list(_stretches(pieces, config.work.rows_at_once)), warnings


def _check_single(names: Sequence[str], columns: Mapping[str, Column], where: str) -> None:
    """Raises UserError where a name that is read stands for several columns."""
    for column in columns.values():
        if (number := names.count(column.name)) > 1:
            raise UserError(f"{where} has {number} columns called {column.name}: rename all but the one to read")


def count_buckets(config: FilterConfig, files: Sequence[InputFile]) -> int:
    """The number of ranges of the hash into which the rows are divided."""
    rows = int(sum(file.rows for file in files) * config.sample.share)
    return min(MOST_BUCKETS, max(1, -(-rows // config.work.rows_per_bucket)))


def _cuts(groups: Sequence[int], config: FilterConfig) -> Iterator[tuple[int, int]]:
    """Cut whole row groups into stretches of at most `rows_at_once` rows where they allow it."""
    start = stop = 0
    for rows in groups:
        if stop > start and stop + rows - start > config.work.rows_at_once:
            yield start, stop
            start = stop
        stop += rows
    if stop > start:
        yield start, stop


def _stretches(pieces: Sequence[Piece], most: int) -> Iterator[RowStretch]:
    """Put neighbouring small pieces together into one task."""
    number, held, rows = 0, list[Piece](), 0
    for piece in pieces:
        size = piece.stop - piece.start
        if held and (rows + size > most or len(held) == MOST_PIECES):
            yield RowStretch(number, tuple(held))
            number, held, rows = number + 1, [], 0
        held.append(piece)
        rows += size
    if held:
        yield RowStretch(number, tuple(held))
