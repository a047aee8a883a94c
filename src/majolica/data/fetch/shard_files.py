"""Writing the files of a shard. Each is whole or not there, and if the disk refuses, the message says how to go on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from majolica.errors import UserError
from majolica.files import whole_file

_ADVICE = "finished shards are kept, the same command goes on"


def stats_path(folder: Path, name: str) -> Path:
    """Return the path of the file whose presence says that a shard is done."""
    return folder / f"{name}_stats.json"


@contextmanager
def shard_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file that becomes `path` when the context ends well, as `whole_file` does.

    Raises UserError if the disk refuses.
    """
    try:
        with whole_file(path, _ADVICE) as file:
            yield file
    except pa.ArrowException as error:
        raise write_error(path, error) from error


def write_error(path: Path, error: Exception) -> UserError:
    """Return the error for a file or a folder that cannot be written to, for the reason that `error` gives."""
    reason = (error.strerror if isinstance(error, OSError) else None) or " ".join(str(error).split())
    return UserError(f"cannot write {path}: {reason}; {_ADVICE}")
