"""Files, globs, folders and object stores, S3 for real on loopback; bad ones in one line."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import majolica
from majolica.config.filter import FilterConfig, ResolutionRule, RulesConfig
from majolica.data.filter.run import filter_metadata
from majolica.data.filter.storage import find_inputs
from majolica.data.store.tables import protocol_of
from majolica.errors import UserError


@pytest.fixture
def files(tmp_path: Path, rows: Any, write: Any) -> Path:
    """Two tables in a folder with things that are not tables."""
    table = rows(200)
    write(tmp_path / "in/a.parquet", table[:100])
    write(tmp_path / "in/sub/b.parquet", table[100:])
    (tmp_path / "in/_SUCCESS").touch()
    (tmp_path / "in/.hidden.parquet").write_text("x")
    (tmp_path / "in/readme.md").write_text("x")
    return tmp_path / "in"


def test_files_globs_folders_and_urls_are_the_same_files(files: Path) -> None:
    wanted = [str(files / "a.parquet"), str(files / "sub/b.parquet")]
    for inputs in (
        [str(files)],
        wanted,
        [str(files / "**/*.parquet"), str(files / "a.parquet")],
        [f"file://{files}/a.parquet", str(files / "sub")],
    ):
        found = find_inputs(inputs)
        assert [file.path for file in found] == wanted
        assert [file.rows for file in found] == [100, 100]
        assert found[0].groups == (50, 50)


def test_protocols() -> None:
    paths = ["/a/b", "file:///a", "s3://b/k", "hf://datasets/x/y", "C:/x"]
    assert [protocol_of(path) for path in paths] == ["file", "file", "s3", "hf", "file"]


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A bucket `data` on moto's server, which speaks S3 over HTTP, and its client."""
    import boto3
    import fsspec
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    client = boto3.client("s3")
    client.create_bucket(Bucket="data")
    yield client
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    server.stop()


def test_s3_gives_what_the_same_files_give_here(s3: Any, files: Path, tmp_path: Path, read: Any, small: Any) -> None:
    for path in ("a.parquet", "sub/b.parquet"):
        s3.upload_file(str(files / path), "data", f"laion/{path}")
    rules = RulesConfig(resolution=ResolutionRule(min_side=200))
    filter_metadata(small(files, rules=rules), tmp_path / "here")
    for i, inputs in enumerate((("s3://data/laion",), ("s3://data/laion/a.parquet", "s3://data/laion/sub/*.parquet"))):
        found = filter_metadata(replace(small(rules=rules), inputs=inputs), tmp_path / f"there{i}")
        assert [file["path"] for file in found["inputs"]] == [
            "s3://data/laion/a.parquet",
            "s3://data/laion/sub/b.parquet",
        ]
        assert read(tmp_path / f"there{i}") == read(tmp_path / "here")


def test_s3_errors_are_one_line(s3: Any, small: Any, tmp_path: Path) -> None:
    for inputs, told in (
        (("s3://data/none.parquet",), "there is no s3://data/none.parquet"),
        (("s3://data/*.parquet",), "matches no file"),
        (("s3://nobody/x.parquet",), "s3://nobody/x.parquet"),
    ):
        with pytest.raises(UserError, match=told.replace("*", r"\*")) as raised:
            find_inputs(inputs)
        assert "\n" not in str(raised.value)


def test_nothing_to_read(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for inputs, told in (
        ([], "say what to filter"),
        ([str(tmp_path / "none.parquet")], "there is no "),
        ([str(tmp_path / "*.parquet")], "matches no file: give parquet files"),
        ([str(tmp_path / "empty")], "holds no .parquet file"),
        (["nope://x/y.parquet"], "nope"),
    ):
        with pytest.raises(UserError, match=told) as raised:
            find_inputs(inputs)
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize("kind", ["empty", "cut", "noise"])
def test_what_is_no_parquet_is_named(kind: str, files: Path) -> None:
    path = files / "a.parquet"
    data = {"empty": b"", "cut": path.read_bytes()[:-100], "noise": bytes(range(256)) * 9}[kind]
    path.write_bytes(data)
    with pytest.raises(
        UserError, match=rf"{path} is not a whole parquet file .*: fetch it again, or leave it out"
    ) as told:
        find_inputs([str(path)])
    assert "\n" not in str(told.value)


def test_damage_inside_a_file_is_named(files: Path, tmp_path: Path, small: Any) -> None:
    path = files / "a.parquet"
    data = bytearray(path.read_bytes())
    data[4:2000] = b"\xff" * 1996
    path.write_bytes(bytes(data))
    with pytest.raises(UserError, match=f"cannot filter {path}") as told:
        filter_metadata(small(files), tmp_path / "out")
    assert "\n" not in str(told.value)


def test_without_duckdb_it_says_what_to_install(
    files: Path, tmp_path: Path, small: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(UserError, match=r"filtering metadata needs DuckDB: pip install 'majolica\[data\]'"):
        filter_metadata(small(files), tmp_path / "out")


def test_no_rows_at_all(tmp_path: Path, small: Any) -> None:
    pq.write_table(
        pa.table({"url": pa.array([], pa.string()), "text": pa.array([], pa.string())}), tmp_path / "a.parquet"
    )
    with pytest.raises(UserError, match="1 input file holds no rows"):
        filter_metadata(small(tmp_path / "a.parquet"), tmp_path / "out")


def test_a_missing_column(tmp_path: Path, small: Any) -> None:
    pq.write_table(pa.table({"url": ["http://h/1"], "text": ["t"]}), tmp_path / "a.parquet")
    rules = RulesConfig(resolution=ResolutionRule(min_side=5))
    with pytest.raises(UserError, match="the rule resolution needs width, looked for as width, original_width: map it"):
        filter_metadata(small(tmp_path / "a.parquet", rules=rules), tmp_path / "out")
    lenient = RulesConfig(resolution=ResolutionRule(min_side=5, null="keep"))
    found = filter_metadata(small(tmp_path / "a.parquet", rules=lenient), tmp_path / "out")
    assert found["rows_out"] == 1
    assert "no column for width, so resolution" in found["warnings"][0]


def test_a_place_that_cannot_be_written(files: Path, tmp_path: Path, small: Any) -> None:
    (tmp_path / "file").touch()
    for out in (tmp_path / "file", tmp_path / "file/out", Path("/proc/none")):
        with pytest.raises(UserError, match=r"cannot (use|write)") as told:
            filter_metadata(small(files), out)
        assert "\n" not in str(told.value)


def test_a_full_disk_is_one_line_and_the_run_goes_on_later(
    tmp_path: Path, rows: Any, write: Any, read: Any, small: Any
) -> None:
    """A limit on the size of files stands for the full disk: writes fail half-way, as they do there."""
    config = small(write(tmp_path / "a.parquet", rows(600)))
    config = replace(config, work=replace(config.work, rows_at_once=10_000, rows_per_file=10_000))
    code = (
        "import sys, pickle, pathlib, resource; from majolica.data.filter.run import filter_metadata\n"
        "from majolica.errors import UserError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (8192, resource.RLIM_INFINITY))\n"
        "try: filter_metadata(pickle.loads(bytes.fromhex(sys.argv[1])), pathlib.Path(sys.argv[2]))\n"
        "except UserError as error: print(error)"
    )
    import pickle

    assert resource.RLIMIT_FSIZE
    words = [sys.executable, "-c", code, pickle.dumps(config).hex(), str(tmp_path / "out")]
    done = subprocess.run(
        words,
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(Path(majolica.__file__).parents[1]), "PATH": ""},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("cannot filter")
    assert "File too large" in done.stdout
    assert done.stdout.count("\n") == 1
    assert not list((tmp_path / "out").glob("part-*"))
    filter_metadata(config, tmp_path / "out")
    filter_metadata(config, tmp_path / "clean")
    assert read(tmp_path / "out") == read(tmp_path / "clean")


def test_beyond_its_memory_a_task_uses_the_disk(tmp_path: Path, small: Any) -> None:
    # 158 MB of captions in 128 MB; DuckDB's sort wants some 123,000 rows at once, whatever their size.
    rows, random = 600_000, np.random.default_rng(0)
    urls, text = (
        [f"http://h/{i}" for i in range(rows)],
        random.integers(97, 123, (rows, 264), np.uint8).view("S264")[:, 0],
    )
    table = pa.table({"url": urls, "text": pa.array(text).cast(pa.string())})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=10_000)
    config: FilterConfig = small(tmp_path / "a.parquet")
    config = replace(
        config,
        work=replace(
            config.work, rows_at_once=10**6, rows_per_bucket=10**5, rows_per_file=10**6, memory_mb=128, threads=1
        ),
    )
    assert filter_metadata(config, tmp_path / "out")["rows_out"] == rows
