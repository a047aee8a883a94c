"""One shard while it is fetched, and its files when it is done.

Pictures go to a spool file in the order in which they come, and from there into the tar in the order of their keys, so
that the same answers make the same bytes. NNNNN_stats.json is written last; when it is there, the shard is done.
"""

from __future__ import annotations

import base64
import json
import tarfile
import time
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from majolica.data.fetch import status
from majolica.data.fetch.picture import StoredPicture
from majolica.data.fetch.result import FIELDS, IN_TAR, FetchResult, count_statuses, keep_columns
from majolica.data.fetch.shard_files import shard_file, stats_path
from majolica.data.fetch.spool import Spool
from majolica.data.store.caption_text import is_blank
from majolica.data.store.index import open_index
from majolica.data.store.json_values import json_value
from majolica.files import write_atomic


class Shard:
    """The rows of one shard and their results; when all are there, it writes its files."""

    def __init__(self, folder: Path, name: str, keys: list[str], rows: pa.Table) -> None:
        self.folder, self.name, self.keys = folder, name, keys
        self.rows = rows
        self.urls = [_text(url) if url is not None else None for url in rows.column("url").to_pylist()]
        # Only one caption is in memory at a time, because some are a megabyte long.
        self.silent = [is_blank((caption.as_py() or b"").decode("utf-8", "replace")) for caption in rows["caption"]]
        """Whether the caption of a row is null, empty or invisible."""
        self.results: list[FetchResult | None] = [None] * len(keys)
        self.left = len(keys)
        self.spool = Spool(folder)
        self._started = time.time()

    def put(self, row: int, result: FetchResult) -> None:
        """Store what became of `row`."""
        if self.results[row] is None:
            self.left -= 1
        self.results[row] = result

    def store(self, picture: StoredPicture) -> FetchResult:
        """Put a picture into the spool; any thread may call this."""
        offset = self.spool.append(picture.data)
        return FetchResult(
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
        """Write tar, index, table and statistics, each whole or not at all, and return the statistics."""
        results = [result or FetchResult(status.CONNECTION, "never asked") for result in self.results]
        if dedup:
            _drop_copies(self.keys, results, self.silent)
        captions = [caption or b"" for caption in self.rows.column("caption").to_pylist()]
        others = keep_columns(self.rows)
        with shard_file(self.folder / f"{self.name}.tar") as file:
            self._write_tar(file, results, captions, others)
        open_index(self.folder / f"{self.name}.tar")
        table = self._table(results, captions, others)
        with shard_file(self.folder / f"{self.name}.parquet") as file:
            pq.write_table(table, file, compression="zstd")
        now = time.time()
        statistics = {
            **count_statuses([result.status for result in results], [result.stored_bytes for result in results]),
            "bytes": sum(result.bytes or 0 for result in results),
            "duration": now - self._started,
            "start_time": self._started,
            "end_time": now,
        }
        write_atomic(stats_path(self.folder, self.name), json.dumps(statistics, indent=2))
        self.spool.close()
        return statistics

    def _write_tar(self, file: IO[bytes], results: list[FetchResult], captions: list[bytes], others: pa.Table) -> None:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for row, (key, result) in enumerate(zip(self.keys, results, strict=True)):
                if result.status != status.SUCCESS:
                    continue
                caption = captions[row]
                meta = {
                    **{name: json_value(others.column(name)[row].as_py()) for name in others.column_names},
                    "key": key,
                    "url": self.urls[row],
                    "caption": caption.decode("utf-8", "replace"),
                    **{name: getattr(result, name) for name in IN_TAR},
                    "error_message": None,
                    **_exact_bytes(caption),
                }
                image = self.spool.read(result.offset, result.stored_bytes or 0)
                _add(tar, f"{key}.{result.extension}", image)
                _add(tar, f"{key}.txt", caption.decode("utf-8", "replace").encode())
                _add(tar, f"{key}.json", json.dumps(meta).encode())

    def _table(self, results: list[FetchResult], captions: list[bytes], others: pa.Table) -> pa.Table:
        columns: dict[str, Any] = {
            "key": pa.array(self.keys, pa.string()),
            "url": pa.array(self.urls, pa.string()),
            "caption": pa.array([caption.decode("utf-8", "replace") for caption in captions], pa.string()),
            "caption_base64": pa.array(
                [_exact_bytes(caption).get("caption_base64") for caption in captions], pa.string()
            ),
        }
        for name, kind in FIELDS.items():
            columns[name] = pa.array([getattr(result, name) for result in results], kind)
        columns["retry"] = pa.array([status.may_pass(result.status) for result in results], pa.bool_())
        return pa.table(columns | {name: others.column(name) for name in others.column_names})


def _drop_copies(keys: list[str], results: list[FetchResult], silent: list[bool]) -> None:
    """Keep one of the pictures with the same bytes: the first that has a caption, or the first of all."""
    first: dict[str, str] = {}
    for row in sorted(range(len(keys)), key=lambda row: silent[row]):  # this keeps the order of keys otherwise
        key, result = keys[row], results[row]
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


def _exact_bytes(caption: bytes) -> dict[str, str]:
    """Return the exact bytes of a caption that is not UTF-8, because its text has replacement characters instead."""
    try:
        caption.decode()
    except UnicodeDecodeError:
        return {"caption_base64": base64.b64encode(caption).decode()}
    return {}
