"""Tables of pictures in place of a folder: csv, tsv, jsonl and parquet, and what is wrong with some."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from gathered import config, records, skipped
from majolica.data.folder.gather import gather
from majolica.errors import UserError


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
def test_tables(folder: Path, kind: str) -> None:
    table = folder / f"list.{kind}"
    data = [
        {"file_name": f"part1/{i}.png", "text": f'Zürich, "{i}"\n2nd line', "artist": f"a{i}", "n": i}
        for i in (7, 1, 4)
    ]
    data.append({"file_name": str(folder / "part2/2.png"), "text": "absolute", "artist": None, "n": 0})
    data.append({"file_name": "part9/0.png", "text": "gone", "artist": "", "n": 0})
    data.append({"file_name": None, "text": "no path", "artist": "", "n": 0})
    if kind == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_pylist(data), table)
    elif kind == "jsonl":
        table.write_text("\n".join(map(json.dumps, data)) + "\n\n")
    else:
        with table.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(data[0]), delimiter="\t" if kind == "tsv" else ",")
            writer.writeheader()
            writer.writerows(data)
    report = gather(replace(config(table), out=str(folder.parent / "out")))
    found = records(folder.parent / "out")
    assert [record.caption for record in found] == [f'Zürich, "{i}"\n2nd line' for i in (7, 1, 4)] + ["absolute"]
    assert found[0].meta["artist"] == "a7" and str(found[0].meta["n"]) == "7"
    assert report.skipped == {"missing": 1, "no_path": 1}


@pytest.mark.parametrize("kind", ["string", "large_string", "binary"])
def test_a_table_with_captions_of_every_kind(folder: Path, kind: str) -> None:
    """One that is not UTF-8 goes alone, whatever the column says that it holds."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    captions = [b"good", b"caf\xe9", None, b" \n", b"nul\0byte", b"word " * 20_000, "größe".encode(), b"good"]
    paths = [f"part1/{i}.png" for i in (1, 4, 7)] * 2 + ["part2/2.png", "part1/1.png"]
    wide = {"string": "binary", "large_string": "large_binary"}.get(kind, kind)
    raw = pa.array(captions, wide)
    column = raw if kind == "binary" else pa.Array.from_buffers(pa.type_for_alias(kind), len(raw), raw.buffers())
    pq.write_table(pa.table({"path": paths, "caption": column, "artist": column}), folder / "a.parquet")
    gather(replace(config(folder / "a.parquet"), out=str(folder.parent / "out")))
    found = records(folder.parent / "out")
    kept = [b"good", b"nul\0byte", b"word " * 20_000, "größe".encode(), b"good"]
    assert [record.caption for record in found] == [text.decode().strip() for text in kept]
    assert [record.meta["artist"] for record in found] == [text.decode() for text in kept]
    assert skipped(folder.parent / "out") == {"part1/4.png": "caption_not_utf8", "part1/7.png": "no_caption"} | {
        "part1/1.png": "empty_caption"
    }


def test_bad_tables(folder: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"url": ["http://x"], "width": [3]}), folder / "a.parquet")
    with pytest.raises(
        UserError, match=r"has no column of paths \(path, file.* it has url, width; name one with --path-column"
    ):
        gather(config(folder / "a.parquet"))
    with pytest.raises(UserError, match=r"unknown column of .*a\.parquet 'ulr': did you mean 'url'"):
        gather(config(folder / "a.parquet", path_column="ulr"))
    with pytest.raises(UserError, match="has no column of captions"):
        gather(config(folder / "a.parquet", path_column="url"))
    for name, data, match in (
        ("b.parquet", b"PAR1 nonsense", "cannot read .*b.parquet"),
        ("c.parquet", b"", "cannot read .*c.parquet: Parquet file size is 0 bytes"),
        ("d.parquet", (folder / "a.parquet").read_bytes()[:-9], "cannot read .*d.parquet"),
        ("b.csv", b"path,caption\n\xff\xfe,x\n", "cannot read .*b.csv: .*utf-8"),
        ("c.csv", b"path,caption\nx.png,a cat, sitting\n", "c.csv, line 2: there are more cells .*' sitting' is left"),
        ("e.csv", b"path;caption\nx.png;a cat, sitting\n", "separated by semicolons"),
        ("b.jsonl", b'{"path": "x", "caption": "y"}\n{"path"\n', "b.jsonl, line 2: not a JSON mapping"),
        ("c.jsonl", b"[1, 2]\n", "c.jsonl, line 1: not a JSON mapping"),
        ("d.csv", b"", "there are no pictures"),
        ("e.xlsx", b"", "neither a folder nor a table"),
    ):
        (folder / name).write_bytes(data)
        with pytest.raises(UserError, match=match):
            gather(config(folder / name))
    assert not list((folder / "out").glob("*"))


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        (
            "a.csv",
            "part1/1.png,a cat\npart1/4.png,a dog\n",
            r"the first line of .*a\.csv \(part1/1\.png, a cat\) names",
        ),
        ("a.tsv", "part1/1.png\ta cat\n", r"such as path<tab>caption"),
        ("a.csv", "path;caption\npart1/1.png;a cat\n", "separated by semicolons: a .csv has commas"),
        ("a.csv", "path\tcaption\npart1/1.png\ta cat\n", "separated by tabs"),
        ("a.tsv", "path,caption\npart1/1.png,a cat\n", "separated by commas"),
        ("a.csv", "path,caption\n".encode("utf-16"), "it is not UTF-8 .*save it as UTF-8"),
    ],
)
def test_tables_without_a_header(folder: Path, name: str, content: str | bytes, says: str) -> None:
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError, match=says) as refused:
        gather(config(folder / name))
    assert "\n" not in str(refused.value)


def test_the_first_line_of_json_may_lack_a_caption(folder: Path) -> None:
    rows = [{"path": "part1/1.png"}, {"path": "part1/4.png", "caption": "a cat"}]
    (folder / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    gather(replace(config(folder / "a.jsonl"), out=str(folder.parent / "out"), caption=("given", "name")))
    assert [record.caption for record in records(folder.parent / "out")] == ["1", "a cat"]


def test_other_columns_of_captions_are_kept(folder: Path) -> None:
    row = {"path": "part1/1.png", "prompt": "p", "caption": "c", "text": "p", "width": 9, "source_width": 8}
    (folder / "a.jsonl").write_text(json.dumps(row))
    gather(config(folder / "a.jsonl", caption_column="prompt"))
    (record,) = records(folder / "out")
    assert record.caption == record.meta["caption"] == "p"
    assert (record.meta["source_caption"], record.meta["source_source_width"]) == ("c", 9)
    assert record.meta["source_width"] == 8 and "source_text" not in record.meta


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", 'path,caption\npart1/1.png,plain\n\npart1/4.png,"an unclosed quote\npart1/7.png,third\n'),
        ("a.csv", 'path,caption\npart1/1.png,plain\n\npart1/4.png,"unclosed\npart1/7.png,"third, with words"\n'),
        ("a.tsv", 'path\tcaption\npart1/1.png\tplain\n\npart1/4.png\t"unclosed\npart1/7.png\tthird\n'),
    ],
)
def test_an_unclosed_quote_does_not_swallow_the_rest(folder: Path, name: str, content: str) -> None:
    (folder / name).write_text(content)
    with pytest.raises(UserError, match=rf"{name}, line 4: a cell begins with a quote .*; close it") as refused:
        gather(config(folder / name))
    assert "\n" not in str(refused.value)


def test_columns_of_json_are_unwrapped(folder: Path) -> None:
    pa = pytest.importorskip("pyarrow", minversion="19")
    import pyarrow.parquet as pq

    def column(*values: str) -> object:
        return pa.ExtensionArray.from_storage(pa.json_(), pa.array(values, pa.string()))

    columns = {"path": ["part1/1.png"], "caption": column('"a \\"cat\\""'), "more": column('{"n": 1}')}
    pq.write_table(pa.table(columns), folder / "a.parquet")
    gather(replace(config(folder / "a.parquet"), out=str(folder.parent / "out")))
    (found,) = records(folder.parent / "out")
    assert found.caption == 'a "cat"' and found.meta["more"] == {"n": 1}
