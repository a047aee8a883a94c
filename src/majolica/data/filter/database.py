"""DuckDB in the way that the tasks use it: with bounded memory, offline, and errors in one line."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from majolica.config.filter import FilterConfig
from majolica.data.filter.order import digest_sql, hash_order
from majolica.data.store.tables import first_line
from majolica.errors import UserError
from majolica.machine import cores

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

ROW_GROUP = 122_880
SORTED_ROW_GROUP = 20_480
"""Of sorted tables that are read in ranges: DuckDB skips row groups by their statistics."""


@contextmanager
def open_database(config: FilterConfig, folder: Path, what: str) -> Iterator[DuckDBPyConnection]:
    """A connection that spills into `folder` what does not fit into memory.

    DuckDB's errors become UserErrors that begin with `what`.
    """
    duckdb = _load_duckdb()
    # Ray gives one core to a task.
    room = 1 if config.engine.engine == "ray" else cores()
    threads = config.work.threads or max(1, room // config.engine.workers)
    spill = folder / "spill" / str(os.getpid())
    try:
        spill.parent.mkdir(parents=True, exist_ok=True)  # DuckDB makes one folder, not two
    except OSError as error:
        raise UserError(f"cannot write {spill.parent}: {error.strerror or error}") from error
    connection = duckdb.connect(
        config={
            "memory_limit": f"{config.work.memory_mb}MB",
            "threads": threads,
            "temp_directory": str(spill),
            "preserve_insertion_order": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
    )
    try:
        yield connection
    except duckdb.OutOfMemoryException as error:
        raise UserError(f"{what}: {config.work.memory_mb} MB are too few: raise --work.memory-mb") from error
    except (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException, duckdb.InternalException):
        raise  # a fault of our own queries
    except (duckdb.Error, OSError) as error:
        raise UserError(f"{what}: {first_line(error)}") from error
    finally:
        connection.close()


def check_hash() -> None:
    """Raise UserError where the md5 of this DuckDB is not the documented hash."""
    duckdb = _load_duckdb()
    with duckdb.connect() as connection:
        (found,) = connection.execute(f"SELECT {digest_sql(quote_sql('u'), 0)}").fetchone() or (None,)
    if found != hash_order("u", 0):
        raise UserError(f"DuckDB {duckdb.__version__} computes md5_number in another way: install duckdb>=2.0")


def _load_duckdb() -> Any:
    try:
        import duckdb
    except ImportError as error:
        raise UserError("filtering metadata needs DuckDB: pip install 'majolica[data]'") from error
    return duckdb


def quote_sql(text: str) -> str:
    """SQL for a text."""
    return "'" + text.replace("'", "''") + "'"


def name_sql(column: str) -> str:
    """SQL for the name of a column."""
    return '"' + column.replace('"', '""') + '"'


def table_sql(paths: Sequence[Path | str]) -> str:
    """SQL for the table that parquet files hold together, with the columns that are in the files and no others.

    DuckDB would take a folder `language=fr` for a column that replaces the one of the file.
    """
    return f"read_parquet([{', '.join(map(_path_sql, paths))}], hive_partitioning = false)"


def placed_sql(path: str, columns: int) -> str:
    """SQL for a parquet file whose columns are called by their places, as `place_name` does.

    DuckDB does not tell capitals apart in names, and so it would find another column than the one that is meant.
    """
    return f"{table_sql([path])} AS file({', '.join(map(place_name, range(columns)))})"


def place_name(place: int) -> str:
    """The name of the column at a place."""
    return f"c{place}"


def _path_sql(path: Path | str) -> str:
    """SQL for a path, in which the signs *, ? and [ stand for themselves."""
    return quote_sql(re.sub(r"[*?\[]", r"[\g<0>]", str(path)))


def copy_to(path: Path, row_group: int = ROW_GROUP, codec: str = "snappy") -> str:
    """The end of a COPY statement that writes a parquet file."""
    return f"TO {quote_sql(str(path))} (FORMAT parquet, COMPRESSION {codec}, ROW_GROUP_SIZE {row_group})"


def fetch_scalar(connection: DuckDBPyConnection, query: str) -> Any:
    """The one value that a query answers."""
    row = connection.execute(query).fetchone()
    return row[0] if row else None
