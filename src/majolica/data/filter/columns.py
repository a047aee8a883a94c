"""The canonical columns, and how the columns of a file become them.

Names are found by alias, and values are cast.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, fields

from majolica.config.filter import ColumnsConfig
from majolica.data.filter.database import name_sql
from majolica.errors import UserError

CANONICAL = {
    "url": "VARCHAR",
    "text": "VARCHAR",
    "id": "VARCHAR",
    "width": "INTEGER",
    "height": "INTEGER",
    "license": "VARCHAR",
    "language": "VARCHAR",
    "similarity": "FLOAT",
    "nsfw": "VARCHAR",
    "punsafe": "FLOAT",
    "pwatermark": "FLOAT",
    "aesthetic": "FLOAT",
    "phash": "UBIGINT",
}
"""The columns of the output, in their order, with their types while the work goes on.

In the output, phash is 16 hexadecimal digits.
"""

KINDS = ("text", "json", "uuid", "bytes", "whole", "real")
"""The kinds of columns that can be read.

They are text, JSON, UUIDs, bytes that should be UTF-8 text, whole numbers and real numbers.
"""

REQUIRED = ("url", "text")


@dataclass(frozen=True)
class Column:
    """A column of a file: its own name, and its kind, which is one of KINDS."""

    name: str
    kind: str


def match_columns(config: ColumnsConfig, present: Mapping[str, str], where: str) -> dict[str, Column]:
    """The file's column for each canonical name; `present` maps the file's names to their kinds.

    Raises UserError where there is no URL or no text. It says what was looked for, and how to map
    it.
    """
    exact = {column.casefold(): column for column in reversed(list(present))}
    found: dict[str, Column] = {}
    taken: set[str] = set()
    for field in fields(config):
        for alias in getattr(config, field.name):
            column = alias if alias in present else exact.get(alias.casefold(), "")
            if column and column not in taken and _fits(field.name, present[column]):
                found[field.name] = Column(column, present[column])
                taken.add(column)
                break
    missing = [field for field in REQUIRED if field not in found]
    if missing:
        raise UserError(_explain(config, present, missing, where))
    return found


def _fits(canonical: str, kind: str) -> bool:
    """Whether a column of this kind can be the canonical one.

    The categories of nsfw are text; a column `nsfw` of numbers is a probability.
    """
    return kind in KINDS and (canonical != "nsfw" or kind in ("text", "json", "bytes"))


def _explain(config: ColumnsConfig, present: Mapping[str, str], missing: list[str], where: str) -> str:
    names = {alias.casefold() for alias in getattr(config, missing[0])}
    unusable = [c for c, kind in present.items() if c.casefold() in names and kind not in KINDS]
    if unusable:
        return (
            f"the column {unusable[0]} of {where} holds {present[unusable[0]]}, which cannot be a {missing[0]}:"
            f" write it as text, or map another column with --columns.{missing[0]} NAME"
        )
    wants = "; ".join(f"{field}, looked for as {', '.join(getattr(config, field))}" for field in missing)
    close = difflib.get_close_matches(missing[0], [column.lower() for column in present], n=1, cutoff=0.3)
    example = next((column for column in present if close and column.lower() == close[0]), "NAME")
    return (
        f"{where} has no column for {wants} (capitals do not matter). It has: {', '.join(present) or 'none'}. "
        f"Map it: --columns.{missing[0]} {example}, or `columns: {{{missing[0]}: [{example}]}}` in the configuration"
    )


def select_sql(found: Mapping[str, Column]) -> list[str]:
    """SQL for each canonical column of a file, and for a column `bad`.

    `bad` has a bit for each column whose value is given but cannot be used.
    """
    parts, bad = [], []
    for bit, (canonical, kind) in enumerate(CANONICAL.items()):
        if canonical not in found:
            parts.append(f"NULL::{kind} AS {canonical}")
            continue
        column = found[canonical]
        value = cast_sql(canonical, column)
        parts.append(f"{value} AS {canonical}")
        if kind != "VARCHAR" or column.kind in ("json", "bytes", "real"):
            bad.append(f"CASE WHEN ({value}) IS NULL AND {_given_sql(column)} THEN {1 << bit} ELSE 0 END")
    return [*parts, f"({' + '.join(bad) or '0'})::USMALLINT AS bad"]


def cast_sql(canonical: str, column: Column) -> str:
    """SQL for the canonical value.

    It is NULL where the file's value makes no sense, such as text for a number, NaN, or a size
    below 1.
    """
    value, kind = text_sql(column), CANONICAL[canonical]
    if kind == "VARCHAR":
        return _real_text(value) if column.kind == "real" else f"{value}::VARCHAR"
    if kind == "FLOAT":
        number = f"TRY_CAST({value} AS FLOAT)"
        return number if column.kind == "whole" else f"CASE WHEN isfinite({number}) THEN {number} END"
    if kind == "INTEGER":
        number = f"TRY_CAST({value} AS INTEGER)"
        return f"CASE WHEN {number} > 0 THEN {number} END"
    return _hash(column)


def text_sql(column: Column) -> str:
    """SQL for a column as text or numbers.

    Bytes that are not UTF-8 are NULL, and so are JSON lists and objects: a text in JSON comes without
    its quotes.
    """
    name = name_sql(column.name)
    if column.kind == "uuid":
        return f"{name}::VARCHAR"
    if column.kind == "json":
        return f"TRY(CASE WHEN json_type({name}) NOT IN ('ARRAY', 'OBJECT') THEN json_extract_string({name}, '$') END)"
    return f"TRY(decode({name}))" if column.kind == "bytes" else name


def _given_sql(column: Column) -> str:
    """SQL for whether a column has a value, good or bad."""
    name = name_sql(column.name)
    null = f" AND TRY(json_type({name})) IS DISTINCT FROM 'NULL'" if column.kind == "json" else ""
    return f"{name} IS NOT NULL{null}"


def _real_text(value: str) -> str:
    """SQL for a real number as text: 12.0 is 12, because it is still the same number, and 1.5 is 1.5."""
    whole = f"CASE WHEN {value} = trunc({value}) THEN TRY_CAST({value} AS HUGEINT)::VARCHAR END"
    return f"CASE WHEN isfinite({value}::DOUBLE) THEN coalesce({whole}, {value}::VARCHAR) END"


def _hash(column: Column) -> str:
    value = text_sql(column)
    if column.kind in ("text", "json", "bytes"):
        digits = f"CASE WHEN length({value}) = 16 THEN TRY_CAST('0x' || {value} AS UBIGINT) END"
        if column.kind != "bytes":
            return digits
        raw = name_sql(column.name)  # the eight bytes of the hash, the highest first
        return f"CASE WHEN octet_length({raw}) = 8 THEN TRY_CAST('0x' || hex({raw}) AS UBIGINT) ELSE {digits} END"
    # Negative numbers are hashes whose 64 bits were stored as a signed number.
    number = f"TRY_CAST({value} AS HUGEINT)"
    return f"TRY_CAST(CASE WHEN {number} < 0 THEN {number} + 18446744073709551616 ELSE {number} END AS UBIGINT)"
