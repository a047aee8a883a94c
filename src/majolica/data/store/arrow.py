"""Which of Arrow's types hold text: there are many for one thing."""

from __future__ import annotations

from typing import Any, Literal


def text_kind(kind: Any) -> Literal["text", "bytes", ""]:
    """Whether values of a pyarrow type are text, bytes that may be text, or neither; dictionaries by their values."""
    import pyarrow.types as types

    if types.is_dictionary(kind):
        kind = kind.value_type
    # Views by name: the oldest pyarrow that we take does not know them.
    if types.is_string(kind) or types.is_large_string(kind) or str(kind) == "string_view":
        return "text"
    binary = types.is_binary(kind) or types.is_large_binary(kind) or str(kind) == "binary_view"
    return "bytes" if binary or types.is_fixed_size_binary(kind) else ""


def as_bytes(array: Any) -> Any:
    """An array of text or bytes of any kind, or a chunked one, as large_binary; texts that are no UTF-8 pass.

    Raises pyarrow.ArrowException for what is neither.
    """
    import pyarrow as pa

    if isinstance(array, pa.ChunkedArray):
        return pa.chunked_array([as_bytes(chunk) for chunk in array.chunks], pa.large_binary())
    if pa.types.is_dictionary(array.type):  # the cast of a dictionary would look at its texts
        array = array.dictionary_decode()
    return array.cast(pa.large_binary())
