"""The filter against plain Python: the same rows stay, and as many go under each rule."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from filter_cases import CASES
from majolica.config.filter import (
    ResolutionRule,
    RulesConfig,
    SampleConfig,
)
from majolica.data.filter.run import filter_metadata


def by_rule(found: dict[str, Any]) -> Counter[str]:
    counts = Counter[str]()
    for step in found["steps"]:
        counts[step["rule"]] += step["gone"]
    return +counts


@pytest.mark.parametrize("name", CASES)
def test_rows_and_counts_are_those_of_plain_python(
    name: str, tmp_path: Path, rows: Any, write: Any, read: Any, oracle: Any, small: Any
) -> None:
    table = rows(600)
    config = small(write(tmp_path / "a.parquet", table), **CASES[name])
    expected, gone = oracle(config)(table)
    found = filter_metadata(config, tmp_path / "out")
    kept = read(tmp_path / "out")
    assert [row["url"] for row in kept] == [row["url"] for row in expected]
    for row, wanted in zip(kept, expected, strict=True):
        same = {key: value for key, value in row.items() if key != "license" and not isinstance(value, float)}
        assert same.items() <= wanted.items()
    assert by_rule(found) == +gone
    assert found["rows_in"] == 600
    assert found["rows_out"] == len(expected) == sum(found["files"].values())
    assert 10 < len(expected) < 600  # the case says something


def test_the_budget_is_exact_and_smaller_samples_are_part_of_larger(
    tmp_path: Path, rows: Any, write: Any, read: Any, small: Any
) -> None:
    path = write(tmp_path / "a.parquet", rows(600))
    outs = {}
    for budget in (1, 40, 99, 10_000):
        filter_metadata(small(path, sample=SampleConfig(budget=budget)), tmp_path / str(budget))
        outs[budget] = read(tmp_path / str(budget))
    assert [len(outs[budget]) for budget in (1, 40, 99)] == [1, 40, 99]
    assert 99 < len(outs[10_000]) < 600
    for budget in (1, 40, 99):
        assert outs[budget] == outs[10_000][:budget]


def test_nothing_left_is_one_empty_file(tmp_path: Path, rows: Any, write: Any, small: Any) -> None:
    import pyarrow.parquet as pq

    config = small(write(tmp_path / "a.parquet", rows(60)), rules=RulesConfig(resolution=ResolutionRule(min_side=5000)))
    found = filter_metadata(config, tmp_path / "out")
    assert found["files"] == {"part-00000.parquet": 0}
    assert pq.read_table(tmp_path / "out/part-00000.parquet").column_names[:2] == ["url", "text"]


def test_progress_reaches_the_end_of_each_step(tmp_path: Path, rows: Any, write: Any, small: Any) -> None:
    told: dict[str, tuple[int, int]] = {}

    def report(step: str, done: int, total: int) -> None:
        told[step] = (done, total)

    filter_metadata(small(write(tmp_path / "a.parquet", rows(300))), tmp_path / "out", report=report)
    assert told == {"reading": (2, 2), "repeated URLs": (2, 2), "writing": (2, 2)}
