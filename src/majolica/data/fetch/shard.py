"""One shard while it is fetched, and its files when it is done.

Pictures go to a nameless spool file in whatever order they come, and from there into the tar in the order of
their keys: the same answers make the same bytes. NNNNN_stats.json is written last; a shard is done when it is
there.
"""

from __future__ import annotations

import base64
import json
import math
import os
import secrets
import tarfile
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from datetime import time as clock_time
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from majolica.data.fetch import status
from majolica.data.fetch.picture import Picture
from majolica.data.store.caption_text import is_blank
from majolica.data.store.index import open_index
from majolica.errors import UserError
from majolica.files import sync_folder, write_atomic


@dataclass(slots=True)
class Result:
    """What became of one row; the fields are columns of the statistics, but for the place in the spool."""

    status: str
    error_message: str | None = None
    final_url: str | None = None
    attempts: int = 0
    seconds: float = 0.0
    bytes: int | None = None
    sha256: str | None = None
    phash: str | None = None
    format: str | None = None
    width: int | None = None
    height: int | None = None
    original_width: int | None = None
    original_height: int | None = None
    stored_bytes: int | None = None
    duplicate_of: str | None = None
    extension: str = ""
    offset: int = 0


FIELDS = {
    "status": pa.string(),
    "error_message": pa.string(),
    "final_url": pa.string(),
    "attempts": pa.int32(),
    "seconds": pa.float32(),
    "bytes": pa.int64(),
    "sha256": pa.string(),
    "phash": pa.string(),
    "format": pa.string(),
    "width": pa.int32(),
    "height": pa.int32(),
    "original_width": pa.int32(),
    "original_height": pa.int32(),
    "stored_bytes": pa.int64(),
    "duplicate_of": pa.string(),
}
IN_TAR = tuple(FIELDS)[:1] + tuple(FIELDS)[5:14]
"""Fields that a sample's .json has too: those that are the same however often and slowly it was asked."""
OURS = ("key", "url", "caption", "caption_base64", "retry", *FIELDS)
"""Columns of the statistics that are ours; an input column of such a name is carried on as source_NAME."""


class Spool:
    """A file without a name that many threads append to. It is gone when the process is, however that ends."""

    def __init__(self, folder: Path) -> None:
        try:
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        except OSError as error:
            raise _refused(folder, error) from error
        self._lock = threading.Lock()
        self._end = 0
        self._folder = folder

    def append(self, data: bytes) -> int:
        """Write `data` and return its offset. Raises UserError on a full disk."""
        with self._lock:
            offset, self._end = self._end, self._end + len(data)
        try:
            place = 0
            while place < len(data):
                place += os.pwrite(self._file.fileno(), memoryview(data)[place:], offset + place)
        except OSError as error:
            raise _refused(self._folder, error) from error
        return offset

    def read(self, offset: int, size: int) -> bytes:
        return os.pread(self._file.fileno(), size, offset)

    def close(self) -> None:
        self._file.close()


class Shard:
    """Rows of one shard, their results as they come, and the writing of its files."""

    def __init__(self, folder: Path, name: str, keys: list[str], rows: pa.Table) -> None:
        self.folder, self.name, self.keys = folder, name, keys
        self.rows = rows
        self.urls = [_text(url) if url is not None else None for url in rows.column("url").to_pylist()]
        # One caption in memory at a time: there are some of a megabyte.
        self.silent = [is_blank((caption.as_py() or b"").decode("utf-8", "replace")) for caption in rows["caption"]]
        """Whether the caption of a row is null, empty or invisible."""
        self.results: list[Result | None] = [None] * len(keys)
        self.left = len(keys)
        self.spool = Spool(folder)
        self._started = time.time()

    def put(self, row: int, result: Result) -> None:
        """Note what became of `row`."""
        if self.results[row] is None:
            self.left -= 1
        self.results[row] = result

    def store(self, picture: Picture) -> Result:
        """Put a picture into the spool; may be called from any thread."""
        offset = self.spool.append(picture.data)
        return Result(
            status.SUCCESS,
            f"colour profile ignored: {picture.note}" if picture.note else None,
            sha256=picture.sha256,
            phash=picture.phash,
            format=picture.format,
            width=picture.width,
            height=picture.height,
            original_width=picture.original_width,
            original_height=picture.original_height,
            stored_bytes=len(picture.data),
            extension=picture.extension,
            offset=offset,
        )

    def write(self, dedup: bool) -> dict[str, Any]:
        """Write tar, index, table and statistics, each whole or not at all; returns the statistics."""
        results = [result or Result(status.CONNECTION, "never asked") for result in self.results]
        if dedup:
            _drop_copies(self.keys, results)
        captions = [caption or b"" for caption in self.rows.column("caption").to_pylist()]
        others = carried(self.rows)
        with beside(self.folder / f"{self.name}.tar") as file:
            self._write_tar(file, results, captions, others)
        open_index(self.folder / f"{self.name}.tar")
        table = self._table(results, captions, others)
        with beside(self.folder / f"{self.name}.parquet") as file:
            pq.write_table(table, file, compression="zstd")
        now = time.time()
        statistics = {
            **counted([result.status for result in results], [result.stored_bytes for result in results]),
            "bytes": sum(result.bytes or 0 for result in results),
            "duration": now - self._started,
            "start_time": self._started,
            "end_time": now,
        }
        write_atomic(stats_path(self.folder, self.name), json.dumps(statistics, indent=2))
        self.spool.close()
        return statistics

    def _write_tar(self, file: IO[bytes], results: list[Result], captions: list[bytes], others: pa.Table) -> None:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for row, (key, result) in enumerate(zip(self.keys, results, strict=True)):
                if result.status != status.SUCCESS:
                    continue
                caption = captions[row]
                meta = {
                    **{name: plain(others.column(name)[row].as_py()) for name in others.column_names},
                    "key": key,
                    "url": self.urls[row],
                    "caption": caption.decode("utf-8", "replace"),
                    **{name: getattr(result, name) for name in IN_TAR},
                    "error_message": None,
                    **_exactly(caption),
                }
                image = self.spool.read(result.offset, result.stored_bytes or 0)
                _add(tar, f"{key}.{result.extension}", image)
                _add(tar, f"{key}.txt", caption.decode("utf-8", "replace").encode())
                _add(tar, f"{key}.json", json.dumps(meta).encode())

    def _table(self, results: list[Result], captions: list[bytes], others: pa.Table) -> pa.Table:
        columns: dict[str, Any] = {
            "key": pa.array(self.keys, pa.string()),
            "url": pa.array(self.urls, pa.string()),
            "caption": pa.array([caption.decode("utf-8", "replace") for caption in captions], pa.string()),
            "caption_base64": pa.array([_exactly(caption).get("caption_base64") for caption in captions], pa.string()),
        }
        for name, kind in FIELDS.items():
            columns[name] = pa.array([getattr(result, name) for result in results], kind)
        columns["retry"] = pa.array([status.passing(result.status) for result in results], pa.bool_())
        return pa.table(columns | {name: others.column(name) for name in others.column_names})


def stats_path(folder: Path, name: str) -> Path:
    """The file whose presence says that a shard is done."""
    return folder / f"{name}_stats.json"


def carried(rows: pa.Table) -> pa.Table:
    """The columns of `rows` beside URL and caption, under names that ours do not hide."""
    rest = rows.drop_columns(["url", "caption"])
    return rest.rename_columns([f"source_{name}" if name in OURS else name for name in rest.column_names])


def counted(words: Sequence[str], stored: Sequence[int | None]) -> dict[str, Any]:
    """What statistics say of the statuses and stored sizes of a shard's rows, under img2dataset's names."""
    counts = Counter(words)
    resize = sum(counts[word] for word in status.OF_PICTURES)
    good = counts[status.SUCCESS]
    return {
        "count": len(words),
        "successes": good,
        "failed_to_download": len(words) - good - resize,
        "failed_to_resize": resize,
        "stored_bytes": sum(size or 0 for size, word in zip(stored, words, strict=True) if word == status.SUCCESS),
        "status_dict": dict(counts.most_common()),
    }


@contextmanager
def beside(path: Path) -> Iterator[IO[bytes]]:
    """A file that becomes `path` when the context ends well: flushed, renamed. UserError where the disk refuses."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except (OSError, pa.ArrowException) as error:
        raise _refused(path, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _refused(path: Path, error: Exception) -> UserError:
    reason = (error.strerror if isinstance(error, OSError) else None) or " ".join(str(error).split())
    return UserError(f"cannot write {path}: {reason}; finished shards are kept, the same command goes on")


def _drop_copies(keys: list[str], results: list[Result]) -> None:
    first: dict[str, str] = {}
    for key, result in zip(keys, results, strict=True):
        if result.status == status.SUCCESS and result.sha256:
            if result.sha256 in first:
                result.status, result.duplicate_of = status.DUPLICATE, first[result.sha256]
            else:
                first[result.sha256] = key


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, BytesIO(data))


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _exactly(caption: bytes) -> dict[str, str]:
    """The bytes of a caption that is not UTF-8, whose text holds signs of replacement."""
    try:
        caption.decode()
    except UnicodeDecodeError:
        return {"caption_base64": base64.b64encode(caption).decode()}
    return {}


def plain(value: Any) -> Any:
    """`value` as JSON knows it: no NaN, no bytes, no dates."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, datetime | date | clock_time):
        return value.isoformat()
    if isinstance(value, Decimal | timedelta):
        return str(value)
    return value
