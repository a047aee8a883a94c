"""Arrow has many types for text. These functions treat all of them alike."""

from __future__ import annotations

from typing import Any, Literal


def text_kind(kind: Any) -> Literal["text", "bytes", ""]:
    """Return whether the values of a pyarrow type are text, bytes that may be text, or neither ("").

    A dictionary is judged by its values.
    """
    import pyarrow.types as types

    if types.is_dictionary(kind):
        kind = kind.value_type
    # Views are recognised by name, because the oldest pyarrow that we support does not know them.
    if types.is_string(kind) or types.is_large_string(kind) or str(kind) == "string_view":
        return "text"
    binary = types.is_binary(kind) or types.is_large_binary(kind) or str(kind) == "binary_view"
    return "bytes" if binary or types.is_fixed_size_binary(kind) else ""


def as_bytes(array: Any) -> Any:
    """Return an array (or chunked array) of text or bytes of any kind as large_binary, even if it is not UTF-8.

    Raises pyarrow.ArrowException for an array that holds neither.
    """
    import pyarrow as pa

    if isinstance(array, pa.ChunkedArray):
        return pa.chunked_array([as_bytes(chunk) for chunk in array.chunks], pa.large_binary())
    if pa.types.is_dictionary(array.type):  # casting a dictionary would check that its texts are UTF-8
        array = array.dictionary_decode()
    return array.cast(pa.large_binary())
