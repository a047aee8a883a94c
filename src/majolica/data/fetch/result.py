"""What becomes of a row: the columns of a shard's table, and what statistics say of many rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from majolica.data.fetch import status


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


def keep_columns(rows: pa.Table) -> pa.Table:
    """The columns of `rows` beside URL and caption, under names that ours do not hide."""
    rest = rows.drop_columns(["url", "caption"])
    return rest.rename_columns([f"source_{name}" if name in OURS else name for name in rest.column_names])


def count_statuses(words: Sequence[str], stored: Sequence[int | None]) -> dict[str, Any]:
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
