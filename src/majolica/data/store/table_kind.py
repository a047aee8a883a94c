"""What a file is that should be parquet and is not: told from its first bytes, with the command that converts it."""

from __future__ import annotations

import shlex
import zlib
from collections.abc import Iterable

HEAD = 65_536
"""Bytes of a file that tell what it is."""
TEXT_TABLES = (".csv", ".tsv", ".json", ".jsonl", ".ndjson")
PACKED = {".gz": "gzip", ".zst": "zstd"}
"""Compressed text that DuckDB reads, by extension."""

# A column of mixed types is JSON to DuckDB, in which a text has quotes and escapes. It becomes text.
# chr(36) is the path $ of the whole value, which a shell would take for a variable.
_UNQUOTED = (
    "d.FunctionExpression('json_extract_string', d.ColumnExpression(c), d.ConstantExpression(chr(36))).alias(c)"
    " if k == 'JSON' else d.ColumnExpression(c) for c, k in zip(t.columns, t.types)"
)
_MAGIC = b"PAR1"
_PACKERS = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"PK\x03\x04": "zip"}


def explain_not_parquet(path: str, head: bytes) -> str:
    """What `path` holds instead of parquet, and what to do; "" where its first bytes, `head`, say nothing.

    CSV and JSON lines are converted by DuckDB, which the extra `data` installs.
    """
    packer = next((name for magic, name in _PACKERS.items() if head.startswith(magic)), "")
    if packer == "gzip":
        head = _unpack_head(head)
    if packer and head.startswith(_MAGIC):
        return f"{path} is a parquet file inside of gzip: unpack it (parquet compresses its own columns)"
    kind = _recognise_table(path, head) if packer in ("", "gzip") else _kind_by_name(path)
    if kind == "HTML":
        return f"{path} is an HTML page, not a parquet file: whoever sent it sent a message; fetch it again"
    what = f"{kind}, compressed with {packer}" if kind and packer else kind
    if kind and packer in ("", *PACKED.values()):
        return f"{path} is {what}, and parquet is wanted: convert it with {conversion(path, kind, packer)}"
    return f"{path} is compressed with {packer}, and parquet is wanted: unpack it" if packer else ""


def explain_text_tables(paths: Iterable[str]) -> str:
    """Of files that are no parquet: what to do with those that are tables by their names; "" where none is."""
    tables = sorted(path for path in paths if _kind_by_name(path))
    if not tables:
        return ""
    kind = _kind_by_name(tables[0])
    return f", but {tables[0]} is {kind}: convert it with {conversion(tables[0], kind)}"


def conversion(path: str, kind: str, packer: str = "") -> str:
    """A line for the shell that makes a parquet file of a local table; a remote one is to be brought here first."""
    local = path.rpartition("/")[2] if "://" in path else path
    packed = f", compression={packer!r}" if packer and not local.endswith(tuple(PACKED)) else ""
    if kind.startswith("JSON"):
        read = f"import duckdb as d; t = d.read_json({local!r}{packed}); t.select(*[{_UNQUOTED}])"
    else:
        read = f"import duckdb; duckdb.read_csv({local!r}{packed})"
    code = f"{read}.write_parquet({parquet_name(local)!r})"
    quoted = shlex.quote(code) if set(code) & set('"$`\\!') else f'"{code}"'
    return f"`python -c {quoted}`" + (", once it is on this machine" if local != path else "")


def parquet_name(path: str) -> str:
    """The name of the parquet file that is made of a table."""
    for extension in (*PACKED, *TEXT_TABLES, ".txt"):
        path = path.removesuffix(extension)
    return f"{path.removesuffix('.parquet')}.new.parquet" if path.endswith(".parquet") else f"{path}.parquet"


def _recognise_table(path: str, head: bytes) -> str:
    text = head.decode("utf-8-sig", "replace").lstrip()
    if not text or "\0" in text or text.startswith("PAR1"):
        return ""
    if text.startswith(("{", "[")):
        is_row = text.startswith("{") and text.splitlines()[0].rstrip().endswith("}")
        return "JSON lines" if is_row else "JSON"
    if text.startswith("<"):
        return "HTML"
    line = text.splitlines()[0]
    return "CSV" if any(sign in line for sign in ",;\t") else _kind_by_name(path)


def _kind_by_name(path: str) -> str:
    for extension in PACKED:
        path = path.removesuffix(extension)
    if path.endswith((".csv", ".tsv")):
        return "CSV"
    if path.endswith(".json"):
        return "JSON"
    return "JSON lines" if path.endswith(TEXT_TABLES) else ""


def _unpack_head(head: bytes) -> bytes:
    """The beginning of what gzip has packed."""
    try:
        return zlib.decompressobj(wbits=31).decompress(head, HEAD)
    except zlib.error:
        return b""
