"""DuckDB as the tasks use it: with limited memory, offline, and with its errors in one line."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from majolica.config.filter import FilterConfig
from majolica.data.filter.order import digest_sql, order
from majolica.errors import UserError
from majolica.machine import cores

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

ROW_GROUP = 122_880


@contextmanager
def database(config: FilterConfig, folder: Path, what: str) -> Iterator[DuckDBPyConnection]:
    """Yield a connection that spills into `folder`. Errors of DuckDB become a UserError that begins with `what`."""
    try:
        import duckdb
    except ImportError as error:
        raise UserError("filtering metadata needs DuckDB: pip install 'majolica[data]'") from error
    # A task on Ray gets one core.
    room = 1 if config.engine.engine == "ray" else cores()
    threads = config.work.threads or max(1, room // config.engine.workers)
    spill = folder / "spill" / str(os.getpid())
    try:
        spill.parent.mkdir(parents=True, exist_ok=True)  # DuckDB makes one folder, but not its parent
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
        raise  # it is ours already
    except (duckdb.Error, OSError) as error:
        raise UserError(f"{what}: {first_line(error)}") from error
    finally:
        connection.close()


def check_hash() -> None:
    """Raise UserError if the md5 of this version of DuckDB is not the documented hash."""
    import duckdb

    with duckdb.connect() as connection:
        (found,) = connection.execute(f"SELECT {digest_sql(quote('u'), 0)}").fetchone() or (None,)
    if found != order("u", 0):
        raise UserError(f"DuckDB {duckdb.__version__} numbers md5 in another way: install duckdb>=2.0")


def quote(text: str) -> str:
    """Return a text as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


def name(column: str) -> str:
    """Return the name of a column, quoted."""
    return '"' + column.replace('"', '""') + '"'


def files(paths: Sequence[Path | str]) -> str:
    """Return the SQL for parquet files as one table."""
    return f"read_parquet([{', '.join(quote(str(path)) for path in paths)}])"


def copy_to(path: Path, row_group: int = ROW_GROUP, codec: str = "snappy") -> str:
    """Return the end of a COPY statement that writes to `path`."""
    return f"TO {quote(str(path))} (FORMAT parquet, COMPRESSION {codec}, ROW_GROUP_SIZE {row_group})"


def scalar(connection: DuckDBPyConnection, query: str) -> Any:
    """Return the only value of the result of a query."""
    row = connection.execute(query).fetchone()
    return row[0] if row else None


def first_line(error: BaseException) -> str:
    """Return the message of a library's exception in one line, without its class."""
    text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return text.removeprefix("IO Error: ").removeprefix("Invalid Input Error: ")
