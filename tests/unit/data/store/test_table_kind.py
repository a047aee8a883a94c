"""A table that is no parquet is called what it is, and the command that is given for it works."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from majolica.data.fetch.rows import find_sources
from majolica.data.filter.storage import find_inputs
from majolica.data.store.table_kind import explain_not_parquet
from majolica.errors import UserError

CSV = b"url,text\nhttp://h/1,a cat\nhttp://h/2,a dog\n"
JSON = b'{"url": "http://h/1", "text": "a cat"}\n{"url": "http://h/2", "text": "a dog"}\n'
TABLES = {
    "meta.csv": (CSV, "CSV"),
    "meta.tsv": (CSV.replace(b",", b"\t"), "CSV"),
    "meta.csv.gz": (gzip.compress(CSV), "CSV, compressed with gzip"),
    "packed": (gzip.compress(CSV), "CSV, compressed with gzip"),
    "meta.jsonl": (JSON, "JSON lines"),
    "meta.jsonl.gz": (gzip.compress(JSON), "JSON lines, compressed with gzip"),
    "meta.json": (json.dumps(list(map(json.loads, JSON.splitlines())), indent=1).encode(), "JSON"),
    "it's $5.csv": (CSV, "CSV"),
    "meta.parquet": (CSV, "CSV"),
}


def refusals(place: str) -> set[str]:
    """What filtering and fetching say of a file or folder."""
    said = set()
    for find in (find_inputs, find_sources):
        with pytest.raises(UserError) as refused:
            find([place])
        said.add(str(refused.value).partition(", but ")[2] or str(refused.value))
    return said


def test_filtering_and_fetching_take_the_same_tables(tmp_path: Path) -> None:
    for name in ("a.parquet", "sub/b.parquet", "sub/c[1].parq", "_left/d.parquet", ".hidden.parquet"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        pq.write_table(pa.table({"url": ["http://h/1"], "text": ["t"]}), tmp_path / name)
    whole = [str(tmp_path / name) for name in ("a.parquet", "sub/b.parquet", "sub/c[1].parq")]
    for given, wanted in (
        (str(tmp_path), whole),
        (f"file://{tmp_path}", whole),
        (whole[2], whole[2:]),
        (f"{tmp_path}/*.parquet", whole[:1]),
        (f"{tmp_path}/sub/*.parquet", whole[1:2]),
    ):
        for find in (find_inputs, find_sources):
            assert [file.path for file in find([given])] == wanted, (given, find)


@pytest.mark.parametrize("name", TABLES)
def test_the_command_that_is_given_makes_the_table_parquet(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, kind = TABLES[name]
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(content)
    [line] = refusals(str(tmp_path / name))
    start = re.escape(f"{tmp_path / name} is {kind}, and parquet is wanted: convert it with `python -c ")
    command = re.fullmatch(rf"{start}(.*)`", line)
    assert command and "\n" not in line
    subprocess.run(["sh", "-c", f"{sys.executable} -c {command[1]}"], check=True)
    [made] = set(tmp_path.glob("*.parquet")) - {tmp_path / name}
    assert pq.read_table(made).to_pydict() == {"url": ["http://h/1", "http://h/2"], "text": ["a cat", "a dog"]}


def test_a_folder_of_text_tables_is_no_riddle(tmp_path: Path) -> None:
    for name, kind in (("c.jsonl", "JSON lines"), ("b.json", "JSON"), ("a.csv.gz", "CSV"), ("a.md", "CSV")):
        (tmp_path / name).write_bytes(b"")
        [line] = refusals(str(tmp_path))
        first = "a.csv.gz" if kind == "CSV" else name
        assert line.startswith(f"{tmp_path}/{first} is {kind}: convert it with `python -c ")


@pytest.mark.parametrize(
    ("head", "says"),
    [
        (b'{\n "source": "photos"\n}', "x is JSON, and parquet is wanted: convert it with"),
        (b'{"url": "http://h/1"}', "x is JSON lines, and parquet is wanted"),
        (b"<!DOCTYPE html>", "x is an HTML page"),
        (gzip.compress(b"PAR1\x00\x00"), "x is a parquet file inside of gzip: unpack it"),
        (b"BZh91", "x is compressed with bzip2, and parquet is wanted: unpack it"),
        (b"PAR1\x00 cut", ""),
        (b"", ""),
        (b"\x00\x01,\x02", ""),
    ],
)
def test_other_files(head: bytes, says: str) -> None:
    line = explain_not_parquet("x", head)
    assert line.startswith(says) and bool(line) == bool(says)


def test_what_lies_in_a_store_is_brought_here_first() -> None:
    line = explain_not_parquet("s3://bucket/meta.csv", CSV)
    assert line.endswith("duckdb.read_csv('meta.csv').write_parquet('meta.parquet')\"`, once it is on this machine")


def test_json_of_mixed_types_becomes_text_without_quotes(tmp_path: Path) -> None:
    rows = [{"url": "http://h/1", "n": 1, "caption": 'a "red" fox'}, {"url": "http://h/2", "n": 2, "caption": 12}]
    rows += [{"url": "http://h/3", "n": 3, "caption": ["x"]}, {"url": "http://h/4", "n": 4, "caption": None}]
    (tmp_path / "m.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    [line] = refusals(str(tmp_path / "m.jsonl"))
    command = line.partition("`python -c ")[2].rstrip("`")
    subprocess.run(["sh", "-c", f"{sys.executable} -c {command}"], check=True)
    found = pq.read_table(tmp_path / "m.parquet").to_pydict()
    assert found["caption"] == ['a "red" fox', "12", '["x"]', None]
    assert found["n"] == [1, 2, 3, 4]
