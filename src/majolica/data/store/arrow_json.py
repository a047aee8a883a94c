"""Columns of the Arrow type arrow.json, whose values are JSON: a text in them has quotes and escapes around it."""

from __future__ import annotations

import json
from typing import Any


class NotText(ValueError):
    """A value of a column of JSON is no text; the message is the value, shortened."""


def is_json(kind: Any) -> bool:
    """Return whether a pyarrow type is arrow.json; the oldest pyarrow that we support does not know it."""
    return str(kind).startswith("extension<arrow.json")


def json_values(array: Any) -> list[Any]:
    """Return what the JSON of each value of an array (or chunked array) says; null is None."""
    return [None if text is None else _parse(text) for text in array.to_pylist()]


def json_texts(array: Any) -> Any:
    """Return an array (or chunked array) of JSON texts as large_binary, without quotes and escapes. Raises NotText."""
    import pyarrow as pa

    values = json_values(array)
    for value in values:
        if value is not None and not isinstance(value, str):
            raise NotText(json.dumps(value)[:60])
    encoded = [None if value is None else value.encode("utf-8", "replace") for value in values]
    texts = pa.array(encoded, pa.large_binary())
    return pa.chunked_array([texts]) if isinstance(array, pa.ChunkedArray) else texts


def _parse(text: str) -> Any:
    """Return what a JSON text says; a text that is no JSON stands for itself."""
    try:
        return json.loads(text, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return text
