"""`majolica data filter` beside a hand-written DuckDB query that does the same. `python -m benchmarks.metadata --json`.

Synthetic rows in the shape of a joined LAION copy, float64 scores and all. Both filter, drop repeated URLs (the
largest picture stays), keep half of the URLs by md5 and write parquet; each run is a process of its own, so that
its peak memory is its own.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from majolica.config.engine import EngineConfig
from majolica.config.filter import (
    CaptionRule,
    DedupConfig,
    DomainRule,
    FilterConfig,
    NsfwRule,
    ResolutionRule,
    RulesConfig,
    SampleConfig,
    SimilarityRule,
    WatermarkRule,
    WorkConfig,
)
from majolica.data.filter.run import filter_metadata

LAION_2B_EN = 2_322_161_807

CONFIG = FilterConfig(
    rules=RulesConfig(
        resolution=ResolutionRule(min_side=256, max_aspect=3.0),
        caption=CaptionRule(min_chars=5, max_chars=1000),
        similarity=SimilarityRule(min=0.29),
        nsfw=NsfwRule(max_probability=0.5, null="keep"),
        watermark=WatermarkRule(max_probability=0.8, null="keep"),
    ),
    sample=SampleConfig(share=0.5),
)

# The same rules by hand, to the same table but for the order of its rows. `share` is tested where it costs least
# for a query that one writes once.
BY_HAND = """
COPY (
    SELECT url, text, id::VARCHAR AS id, width, height, license, NULL::VARCHAR AS language, similarity, nsfw, punsafe,
           pwatermark, NULL::FLOAT AS aesthetic, lpad(lower(to_hex(hash)), 16, '0') AS phash
    FROM (
        SELECT DISTINCT ON (url) * FROM (
            SELECT URL AS url, TEXT AS text, SAMPLE_ID AS id, WIDTH::INT AS width, HEIGHT::INT AS height,
                   LICENSE AS license, similarity::FLOAT AS similarity, NSFW AS nsfw, punsafe::FLOAT AS punsafe,
                   pwatermark::FLOAT AS pwatermark, hash
            FROM read_parquet('{inputs}/*.parquet')
            WHERE URL IS NOT NULL AND least(WIDTH, HEIGHT) >= 256
              AND greatest(WIDTH, HEIGHT) <= 3 * least(WIDTH, HEIGHT)
              AND length(TEXT) BETWEEN 5 AND 1000 AND similarity >= 0.29
              AND coalesce(punsafe, 0) <= 0.5 AND coalesce(pwatermark, 0) <= 0.8
              {first}
        ) ORDER BY url, width::BIGINT * height DESC
    ) {last}
) TO '{out}' (FORMAT parquet, COMPRESSION snappy)"""
HALF = "(md5_number('0:' || {url}) >> 64)::UBIGINT < 9223372036854775808::UBIGINT"


def generate(folder: Path, rows: int) -> None:
    """Write `rows` rows in files of two million: 7 % repeated URLs, 10 % without scores, captions of 5 to 16 words."""
    import duckdb

    folder.mkdir(parents=True)
    with duckdb.connect(config={"memory_limit": "1GB", "temp_directory": str(folder / "tmp")}) as connection:
        for start in range(0, rows, 2_000_000):
            stop = min(rows, start + 2_000_000)
            connection.execute(_rows(start, stop, rows, folder / f"part-{start // 2_000_000:05d}.parquet"))


def _rows(start: int, stop: int, rows: int, path: Path) -> str:
    # Everything is a function of hash(i), so the set is the same however many threads make it.
    def uniform(salt: int) -> str:
        return f"(hash(i * 31 + {salt}) % 1000003 / 1000003.0)"

    return f"""
    COPY (
        SELECT (hash(i) >> 12)::BIGINT AS SAMPLE_ID,
            'https://cdn' || u % 977 || '.site' || hash(u) % 50021 || '.com/images/' || hash(u + 1) || '/' ||
                hash(u + 2) % 100000 || '-large.jpg' AS URL,
            'A photo of ' || array_to_string(list_transform(range(2 + (hash(i + 5) % 12)::INT),
                lambda j: 'w' || (hash(i * 16 + j) % 30000)), ' ') AS TEXT,
            (130 * exp({uniform(1)} * 2.6))::INT::DOUBLE AS HEIGHT,
            (130 * exp({uniform(2)} * 2.6))::INT::DOUBLE AS WIDTH,
            '?' AS LICENSE, ['UNLIKELY', 'UNLIKELY', 'UNLIKELY', 'UNSURE', 'NSFW'][1 + (hash(i + 6) % 5)::INT] AS NSFW,
            0.28 + 0.12 * {uniform(3)} AS similarity,
            CASE WHEN {uniform(5)} > 0.1 THEN {uniform(6)} * {uniform(7)} END AS punsafe,
            CASE WHEN {uniform(5)} > 0.1 THEN {uniform(8)} * {uniform(9)} END AS pwatermark,
            (hash(u + 3) >> 1)::BIGINT AS hash
        FROM (SELECT i, CASE WHEN hash(i + 9) % 100 < 7 THEN (hash(i + 8) % {rows})::BIGINT ELSE i END AS u
              FROM range({start}, {stop}) r(i))
    ) TO '{path}' (FORMAT parquet, COMPRESSION snappy, ROW_GROUP_SIZE 122880)"""


def child(kind: str, inputs: Path, out: Path, memory_mb: int) -> None:
    """Do one run and print its seconds, peak memory and rows."""
    begun = time.perf_counter()
    if kind.startswith("duckdb"):
        rows = _by_hand(kind, inputs, out, memory_mb)
    else:
        rows = filter_metadata(_config(kind, inputs, memory_mb), out)["rows_out"]
    seconds = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps({"seconds": seconds, "peak_rss_gb": peak, "rows": rows}))


def _config(kind: str, inputs: Path, memory_mb: int) -> FilterConfig:
    config = replace(CONFIG, inputs=(str(inputs),), engine=EngineConfig())
    config = replace(config, work=replace(WorkConfig(), memory_mb=memory_mb) if memory_mb else WorkConfig())
    if kind == "everything":
        rules = replace(config.rules, domain=DomainRule(cap=50))
        sample = SampleConfig(budget=1_000_000)
        return replace(config, rules=rules, sample=sample, dedup=DedupConfig(picture=True, distance=2))
    return config


def _by_hand(kind: str, inputs: Path, out: Path, memory_mb: int) -> int:
    import duckdb

    out.mkdir()
    early = kind == "duckdb_sample_first"
    query = BY_HAND.format(
        inputs=inputs,
        out=out / "out.parquet",
        first=f"AND {HALF.format(url='URL')}" if early else "",
        last="" if early else f"WHERE {HALF.format(url='url')}",
    )
    with duckdb.connect(config={"temp_directory": str(out / "tmp"), "preserve_insertion_order": False}) as connection:
        if memory_mb:
            connection.execute(f"SET memory_limit = '{memory_mb}MB'")
        row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0


def measure(kind: str, inputs: Path, folder: Path, memory_mb: int) -> dict[str, float]:
    """One run in a process of its own."""
    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    words = [sys.executable, "-m", "benchmarks.metadata", "--child", kind, str(inputs), str(out), str(memory_mb)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    found["checksum"] = _checksum(out)
    shutil.rmtree(out)
    return found


def _checksum(out: Path) -> int:
    """Return a hash of all rows that does not depend on their order or files."""
    import duckdb

    row = duckdb.execute(f"SELECT bit_xor(hash(rows)) FROM '{out}/*.parquet' AS rows").fetchone()
    return int(row[0]) if row else 0


def main() -> None:
    """Measure, alternating, and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the JSON object alone")
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--memory-mb", type=int, default=0, help="of ours; 0: the default of the configuration")
    parser.add_argument("--everything", action="store_true", help="one more run: pictures, near ones, cap, budget")
    parser.add_argument("--folder", type=Path, help="where to keep the input between runs")
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        kind, inputs, out, memory = options.child
        return child(kind, Path(inputs), Path(out), int(memory))
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch)
        inputs = folder / f"rows-{options.rows}"
        if not inputs.exists():
            generate(inputs, options.rows)
        result = compare(inputs, Path(scratch), options)
    print(json.dumps(result))


def compare(inputs: Path, folder: Path, options: argparse.Namespace) -> dict[str, object]:
    """Medians of alternating runs."""
    kinds = ("duckdb", "duckdb_sample_first", "majolica")
    runs: dict[str, list[dict[str, float]]] = {kind: [] for kind in kinds}
    for _ in range(options.repeats):
        for kind in kinds:
            runs[kind].append(measure(kind, inputs, folder, options.memory_mb if kind == "majolica" else 0))
            if not options.json:
                print(kind, runs[kind][-1], flush=True)
    kept = {(run["rows"], run["checksum"]) for kind in kinds for run in runs[kind]}
    if len(kept) != 1:
        raise AssertionError(f"the runs do not agree on the rows: {kept}")
    seconds = {kind: statistics.median(run["seconds"] for run in runs[kind]) for kind in kinds}
    peaks = {kind: max(run["peak_rss_gb"] for run in runs[kind]) for kind in kinds}
    ratios = [a["seconds"] / b["seconds"] for a, b in zip(runs["majolica"], runs["duckdb"], strict=True)]
    early = [a["seconds"] / b["seconds"] for a, b in zip(runs["majolica"], runs["duckdb_sample_first"], strict=True)]
    out: dict[str, object] = {
        "rows": options.rows,
        "rows_kept": kept.pop()[0],
        "ratio_to_duckdb": round(statistics.median(ratios), 3),
        "ratio_to_duckdb_sample_first": round(statistics.median(early), 3),
        "peak_rss_gb": round(peaks["majolica"], 3),
        "hours_for_2_3_billion": round(seconds["majolica"] * LAION_2B_EN / options.rows / 3600, 2),
        "seconds": {kind: round(value, 2) for kind, value in seconds.items()},
        "peaks_gb": {kind: round(value, 3) for kind, value in peaks.items()},
        "repeats": options.repeats,
        "cores": os.cpu_count(),
    }
    if options.everything:
        found = measure("everything", inputs, folder, options.memory_mb)
        out["everything"] = {key: round(value, 3) for key, value in found.items()}
    return out


if __name__ == "__main__":
    main()
