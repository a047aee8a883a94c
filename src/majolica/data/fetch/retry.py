"""`--retry-failed`: rows that failed for a reason that may have passed are the input of further shards."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from majolica.data.fetch.plan import FetchPlan, Generation, save_plan
from majolica.data.fetch.result import OURS
from majolica.data.fetch.rows import Columns, read_source
from majolica.data.fetch.shard_files import shard_file


def add_retries(folder: Path, plan: FetchPlan) -> FetchPlan:
    """Return `plan` with one more generation, or unchanged if no row of the last generation is worth asking again.

    The last generation has asked for the rows of earlier ones again, so only its rows have to be looked at.
    """
    last = plan.generations[-1]
    path = folder / f"retry-{len(plan.generations)}.parquet"
    rows = _collect(folder, plan, last, path)
    if not rows:
        path.unlink(missing_ok=True)
        return plan
    shards = -(-rows // plan.per_shard)
    columns = Columns("url", "caption")
    new = Generation((read_source(str(path.resolve())),), columns, last.first + last.shards, shards)
    plan = replace(plan, generations=(*plan.generations, new))
    save_plan(folder, plan)
    return plan


def _collect(folder: Path, plan: FetchPlan, last: Generation, path: Path) -> int:
    """Write the rows that are to be asked again to `path`, shard by shard, and return how many there are."""
    tables = [folder / f"{plan.name(shard)}.parquet" for shard in range(last.first, last.first + last.shards)]
    rows = 0
    with shard_file(path) as file:
        schema = _schema(tables)
        with pq.ParquetWriter(file, schema, compression="zstd") as writer:
            for table in tables:
                failed = _failed_rows(pq.read_table(table))
                if failed.num_rows:
                    whole = pa.concat_tables([schema.empty_table(), failed], promote_options="permissive")
                    writer.write_table(whole.cast(schema))
                    rows += failed.num_rows
    return rows


def _schema(tables: Sequence[Path]) -> pa.Schema:
    """Return the columns of `_failed_rows` of all tables, because some files of the input may have more than others."""
    joined = pa.unify_schemas([pq.read_schema(table) for table in tables], promote_options="permissive")
    front = [pa.field("url", pa.string()), pa.field("caption", pa.binary()), pa.field("retry_of", pa.string())]
    known = (*OURS, "retry_of")
    return pa.schema([*front, *(pa.field(one.name, one.type) for one in joined if one.name not in known)])


def _failed_rows(table: pa.Table) -> pa.Table:
    table = table.filter(pc.field("retry"))
    captions: list[Any] = [
        base64.b64decode(exact) if exact is not None else caption.encode()
        for caption, exact in zip(
            table.column("caption").to_pylist(), table.column("caption_base64").to_pylist(), strict=True
        )
    ]
    columns: dict[str, Any] = {
        "url": table.column("url"),
        "caption": pa.array(captions, pa.binary()),
        "retry_of": table.column("key"),
    }
    others = [name for name in table.column_names if name not in OURS and name not in columns]
    return pa.table(columns | {name: table.column(name) for name in others})
