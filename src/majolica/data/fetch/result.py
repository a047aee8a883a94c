"""The result of a row, the columns of the table of a shard, and the statistics of many rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from majolica.data.fetch import status
from majolica.data.store.field_names import rename_taken


@dataclass(slots=True)
class FetchResult:
    """What became of one row. The fields are columns of the table, except for the place in the spool."""

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
"""Fields that the .json of a sample has as well: those that do not depend on how often and how slowly it was asked
for."""
OURS = ("key", "url", "caption", "caption_base64", "retry", *FIELDS)
"""Columns that this program fills. A column of the input with such a name is kept as source_NAME."""


def keep_columns(rows: pa.Table) -> pa.Table:
    """Return the columns of `rows` without URL and caption, renamed if one of our columns has the same name."""
    rest = rows.drop_columns(["url", "caption"])
    return rest.rename_columns(rename_taken(rest.column_names, OURS))


def count_statuses(words: Sequence[str], stored: Sequence[int | None]) -> dict[str, Any]:
    """Return the statistics of a shard, given the statuses and stored sizes of its rows, under img2dataset's names."""
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
