"""The filter against plain Python; the same rows however the work is cut; a killed run goes on."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import majolica
from majolica.config.engine import EngineConfig
from majolica.config.filter import (
    AestheticRule,
    CaptionRule,
    DedupConfig,
    DomainRule,
    FilterConfig,
    LanguageRule,
    NsfwRule,
    ResolutionRule,
    RulesConfig,
    SampleConfig,
    SimilarityRule,
    WatermarkRule,
)
from majolica.data.filter import run as run_module
from majolica.data.filter import work
from majolica.data.filter.run import filter_metadata
from majolica.errors import UserError

STRICT = RulesConfig(
    resolution=ResolutionRule(min_side=150, max_side=950, max_pixels=800_000, max_aspect=3.0),
    caption=CaptionRule(min_chars=3, max_chars=30, min_words=1, max_words=5),
    language=LanguageRule(allowed=("en",)),
    similarity=SimilarityRule(min=0.22, max=0.38),
)
LENIENT = RulesConfig(
    resolution=ResolutionRule(min_side=120, null="keep"),
    caption=CaptionRule(min_words=1, null="keep"),
    language=LanguageRule(allowed=("en", "de"), null="keep"),
    similarity=SimilarityRule(min=0.21, null="keep"),
    nsfw=NsfwRule(allowed=("UNLIKELY", "UNSURE"), max_probability=0.9, null="keep"),
    watermark=WatermarkRule(max_probability=0.9, null="keep"),
    aesthetic=AestheticRule(min=3.2, null="keep"),
)
SCORES = RulesConfig(
    nsfw=NsfwRule(allowed=("UNLIKELY", "UNSURE"), max_probability=0.7),
    watermark=WatermarkRule(max_probability=0.7),
    aesthetic=AestheticRule(min=4.0),
)
ALL = {
    "rules": replace(LENIENT, domain=DomainRule(cap=25)),
    "dedup": DedupConfig(picture=True, distance=2),
    "sample": SampleConfig(share=0.9, budget=60, seed=5),
}
CASES: dict[str, dict[str, Any]] = {
    "no rules": {},
    "strict": {"rules": STRICT},
    "lenient": {"rules": LENIENT},
    "scores": {"rules": SCORES},
    "share": {"sample": SampleConfig(share=0.3, seed=7)},
    "budget": {"sample": SampleConfig(budget=77, seed=1)},
    "pictures": {"dedup": DedupConfig(picture=True)},
    "near": {"dedup": DedupConfig(picture=True, distance=4)},
    "cap of sites": {"rules": RulesConfig(domain=DomainRule(cap=17))},
    "cap of hosts": {"rules": RulesConfig(domain=DomainRule(cap=11, cap_by="host"))},
    "all": ALL,
}


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


@pytest.fixture(scope="module")
def expected(
    tmp_path_factory: pytest.TempPathFactory, rows: Any, write: Any, read: Any, small: Any
) -> tuple[FilterConfig, list[Any], Path]:
    """A configuration with everything on, the rows that come out, and where they are."""
    folder = tmp_path_factory.mktemp("expected")
    config = small(write(folder / "a.parquet", rows(600)), **ALL)
    filter_metadata(config, folder / "out")
    return config, read(folder / "out"), folder / "out"


@pytest.mark.parametrize(
    ("workers", "change"),
    [
        (1, {"threads": 4}),
        (2, {}),
        (1, {"rows_at_once": 10_000, "rows_per_bucket": 10_000, "rows_per_file": 10_000, "threads": 3}),
        (1, {"rows_per_bucket": 110, "rows_per_file": 7}),
    ],
)
def test_same_rows_however_the_work_is_cut(
    workers: int, change: dict[str, int], expected: Any, tmp_path: Path, read: Any
) -> None:
    config, wanted, _ = expected
    cut = replace(config, work=replace(config.work, **change), engine=EngineConfig(workers=workers))
    filter_metadata(cut, tmp_path / "out")
    assert read(tmp_path / "out") == wanted


def test_same_rows_from_other_files_in_another_order(
    expected: Any, tmp_path: Path, rows: Any, write: Any, read: Any
) -> None:
    config, wanted, _ = expected
    table = rows(600)
    random.Random(1).shuffle(table)
    paths = [write(tmp_path / f"b/{9 - i}.parquet", table[i * 100 : i * 100 + 100], 30) for i in range(6)]
    filter_metadata(replace(config, inputs=tuple(map(str, paths))), tmp_path / "out")
    assert read(tmp_path / "out") == wanted


def test_order_does_not_depend_on_the_files_where_urls_may_repeat(
    tmp_path: Path, rows: Any, write: Any, read: Any, small: Any
) -> None:
    table = rows(300)
    first = small(write(tmp_path / "a.parquet", table), dedup=DedupConfig(url=False))
    filter_metadata(first, tmp_path / "one")
    table.reverse()
    filter_metadata(small(write(tmp_path / "b.parquet", table), dedup=DedupConfig(url=False)), tmp_path / "two")
    assert read(tmp_path / "one") == read(tmp_path / "two")
    urls = [row["url"] for row in read(tmp_path / "one")]
    assert len(set(urls)) < len(urls)


def test_many_rows_leave_in_order_from_many_threads(tmp_path: Path, write: Any, rows: Any, small: Any) -> None:
    """More rows than DuckDB's row group, so that its threads share the sorting and the writing."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from majolica.data.filter.order import order

    n = 300_000
    pq.write_table(pa.table({"url": [f"http://h/{i}" for i in range(n)], "text": ["t"] * n}), tmp_path / "a.parquet")
    config = small(tmp_path / "a.parquet")
    big = replace(config.work, rows_at_once=10**6, rows_per_bucket=10**6, rows_per_file=10**6, threads=4)
    filter_metadata(replace(config, work=big), tmp_path / "out")
    places = [order(url, 0) for url in pq.read_table(tmp_path / "out/part-00000.parquet")["url"].to_pylist()]
    assert len(places) == n
    assert places == sorted(places)


class Stop(Exception):
    """Stands for a kill."""


def test_a_run_stopped_after_any_task_goes_on_to_the_same_result(
    expected: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: Any
) -> None:
    config, wanted, _ = expected
    funnel = json.loads((expected[2] / "funnel.json").read_text())
    original = work.write_atomic
    done = 0

    def dies(path: Path, content: Any) -> None:
        nonlocal done
        original(path, content)
        if path.suffix == ".json" and path.parent.parent.name == ".work":
            done += 1
            if done % 3 == 0:
                raise Stop

    monkeypatch.setattr(work, "write_atomic", dies)
    stops = 0
    for _ in range(100):
        try:
            found = filter_metadata(config, tmp_path / "out")
            break
        except Stop:
            stops += 1
            assert not (tmp_path / "out/funnel.json").exists()
    assert stops > 5
    assert read(tmp_path / "out") == wanted
    assert found == funnel
    assert not (tmp_path / "out/.work").exists()


def test_a_run_stopped_while_files_are_moved_goes_on(
    expected: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: Any
) -> None:
    config, wanted, _ = expected
    monkeypatch.setattr(run_module, "render", lambda found: (_ for _ in ()).throw(Stop))
    with pytest.raises(Stop):
        filter_metadata(config, tmp_path / "out")
    monkeypatch.undo()
    filter_metadata(config, tmp_path / "out")
    assert read(tmp_path / "out") == wanted


def test_a_killed_process_goes_on_to_the_same_result(expected: Any, tmp_path: Path, read: Any) -> None:
    config, wanted, _ = expected
    code = (
        "import sys, pickle, pathlib; from majolica.data.filter.run import filter_metadata\n"
        "filter_metadata(pickle.loads(bytes.fromhex(sys.argv[1])), pathlib.Path(sys.argv[2]))"
    )
    import pickle

    out = tmp_path / "out"
    words = [sys.executable, "-c", code, pickle.dumps(config).hex(), str(out)]
    environment = {**os.environ, "PYTHONPATH": str(Path(majolica.__file__).parents[1])}
    process = subprocess.Popen(words, env=environment)
    while process.poll() is None and not list(out.glob(".work/scan/*.json"))[2:]:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (out / "funnel.json").exists()
    filter_metadata(config, out)
    assert read(out) == wanted


def test_the_work_of_another_run_is_not_mixed_in(
    expected: Any, tmp_path: Path, read: Any, rows: Any, write: Any
) -> None:
    config, wanted, finished = expected
    out = tmp_path / "out"
    shutil.copytree(finished, out)
    other = replace(config, sample=SampleConfig(budget=3))
    with pytest.raises(UserError, match="holds another filtered set: choose another --out"):
        filter_metadata(other, out)
    assert read(out) == wanted
    filter_metadata(other, out, restart=True)
    assert len(read(out)) == 3

    (out / "funnel.json").unlink()
    (out / ".work/scan").mkdir(parents=True)
    (out / ".work/fingerprint").write_text("another")
    (out / ".work/scan/000000.json").write_text("{}")
    with pytest.raises(UserError, match="begun with another configuration or other inputs"):
        filter_metadata(other, out)


def test_a_finished_output_is_left_alone_unless_its_input_changed(
    expected: Any, tmp_path: Path, rows: Any, write: Any
) -> None:
    config, _, out = expected
    part = out / "part-00000.parquet"
    before = part.stat().st_mtime_ns
    (out / ".work/scan").mkdir(parents=True)  # as a run leaves it that is killed while it cleans up
    found = filter_metadata(replace(config, engine=EngineConfig(workers=2)), out)
    assert found["rows_out"] == 60
    assert part.stat().st_mtime_ns == before and not (out / ".work").exists()
    changed = replace(config, inputs=(str(write(tmp_path / "a.parquet", rows(601))),))
    with pytest.raises(UserError, match="holds another filtered set"):
        filter_metadata(changed, out)


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
