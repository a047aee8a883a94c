"""Which tables of URLs are read, by which columns, and what is wrong with the others."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fetched import members
from majolica.config.fetch import FetchConfig
from majolica.data.fetch.run import fetch
from majolica.errors import UserError

Table = Callable[..., str]


def test_every_reader_of_rows(server: Any, table: Table, config: FetchConfig, tmp_path: Path) -> None:
    """Several files, row groups smaller and larger than a shard, another order of columns, other types of text."""
    urls = [server.url(f"photo/{i}") for i in range(35)]
    folder = tmp_path / "in"
    folder.mkdir()
    texts = [f"t{i}" for i in range(35)]
    pq.write_table(
        pa.table({"url": urls[:17], "caption": texts[:17], "n": range(17)}), folder / "a.parquet", row_group_size=4
    )
    large = pa.table(
        {"n": pa.array(range(17, 35), pa.int64()), "caption": pa.array(texts[17:], pa.large_string()), "url": urls[17:]}
    )
    pq.write_table(large, folder / "b.parquet")
    (folder / "c.txt").write_text("no parquet")
    (folder / "_temporary").mkdir()  # what a writer that was stopped has left is no table
    (folder / "_temporary/a.parquet").write_bytes((folder / "a.parquet").read_bytes())
    for given in (str(folder), str(folder / "*.parquet"), f"file://{folder}/*.parquet"):
        out = f"{config.out}-{len(given)}"
        fetch(replace(config, input=(given,), out=out))
        known = [json.loads(data) for name, data in members(out).items() if name.endswith("json")]
        assert [(one["caption"], one["n"], one["url"]) for one in known] == list(
            zip(texts, range(35), urls, strict=True)
        )


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("none.parquet", "there is no "),
        ("text.parquet", "cannot be read as parquet"),
        ("nothing.parquet", "cannot be read as parquet: Parquet file size is 0 bytes"),
        ("cut.parquet", "cannot be read as parquet"),
        ("mute.parquet", "has no column of captions: looked for caption, .*; it has url; .*--caption-column"),
        ("names.parquet", "has no column of URLs: looked for url, URL, .*; it has address, caption; .*--url-column"),
        ("empty.parquet", "holds no rows"),
        ("numbers.parquet", "the column 'url' is int64, not text"),
    ],
)
def test_bad_input_is_explained(given: str, told: str, config: FetchConfig, tmp_path: Path) -> None:
    (tmp_path / "text.parquet").write_text("hello")
    pq.write_table(pa.table({"address": ["a"], "caption": ["b"]}), tmp_path / "names.parquet")
    pq.write_table(
        pa.table({"url": pa.array([], pa.string()), "caption": pa.array([], pa.string())}), tmp_path / "empty.parquet"
    )
    pq.write_table(pa.table({"url": [1], "caption": ["b"]}), tmp_path / "numbers.parquet")
    pq.write_table(pa.table({"url": ["http://h/1"]}), tmp_path / "mute.parquet")
    (tmp_path / "nothing.parquet").touch()
    (tmp_path / "cut.parquet").write_bytes((tmp_path / "names.parquet").read_bytes()[:-20])
    with pytest.raises(UserError, match=told) as error:
        fetch(replace(config, input=(str(tmp_path / given),)))
    assert "\n" not in str(error.value)


def test_values_that_json_does_not_know_are_text(server: Any, config: FetchConfig, tmp_path: Path) -> None:
    ids = pa.array([UUID(int=7).bytes], pa.uuid())
    table = pa.table({"url": [server.url("good.jpg")], "caption": ["c"], "id": ids})
    pq.write_table(table, tmp_path / "ids.parquet")
    fetch(replace(config, input=(str(tmp_path / "ids.parquet"),)))
    assert json.loads(members(config.out)["000000.json"])["id"] == "00000000-0000-0000-0000-000000000007"


def test_named_columns(server: Any, config: FetchConfig, tmp_path: Path) -> None:
    pq.write_table(pa.table({"where": [server.url("good.jpg")], "what": ["w"], "url": ["x"]}), tmp_path / "r.parquet")
    fetch(replace(config, input=(str(tmp_path / "r.parquet"),), url_column="where", caption_column="what"))
    assert members(config.out)["000000.txt"] == b"w"


def test_a_file_that_is_named_twice_is_read_once(
    server: Any, table: Table, config: FetchConfig, tmp_path: Path
) -> None:
    rows = table([server.url("photo/1")])
    assert fetch(replace(config, input=(rows, str(tmp_path / "*.parquet")))).rows == 1


def test_columns_with_our_names_are_kept(server: Any, config: FetchConfig, tmp_path: Path) -> None:
    columns = {"link": [server.url("photo/1")], "new": ["n"], "caption": ["c"], "url": ["u"]}
    columns |= {"key": ["k"], "source_key": ["s"]}  # such as a table that an earlier fetch wrote
    pq.write_table(pa.table(columns), tmp_path / "r.parquet")
    fetch(replace(config, input=(str(tmp_path / "r.parquet"),), url_column="link", caption_column="new"))
    found = json.loads(members(config.out)["000000.json"])
    assert (found["caption"], found["source_caption"], found["source_url"]) == ("n", "c", "u")
    assert (found["key"], found["source_key"], found["source_source_key"]) == ("000000", "s", "k")


def test_columns_that_do_not_fit_are_refused_before_anything_is_fetched(
    server: Any, table: Table, config: FetchConfig, tmp_path: Path
) -> None:
    for name, column in (("a", {"n": [1]}), ("b", {}), ("c", {"n": [1.5]}), ("d", {"n": ["x"]})):
        table([server.url("photo/1")], name=f"{name}.parquet", **column)
    told = r"the column 'n' is double in .*c\.parquet and string in .*d\.parquet: give it one type"
    with pytest.raises(UserError, match=told) as error:
        fetch(replace(config, input=(str(tmp_path / "*.parquet"),), per_shard=1))
    assert "\n" not in str(error.value) and not Path(config.out).exists() and not server.asked
    pq.write_table(pa.table({"URL": ["http://x"]}), tmp_path / "d.parquet")
    with pytest.raises(UserError, match=r"d\.parquet has no column 'TEXT', which other input files have"):
        fetch(replace(config, input=(str(tmp_path / "*.parquet"),), per_shard=1))
    assert not Path(config.out).exists()


def test_text_of_every_kind_is_one_type(server: Any, table: Table, config: FetchConfig) -> None:
    kinds = {"a": pa.string(), "b": pa.large_string(), "c": pa.dictionary(pa.int8(), pa.string())}
    places = [
        table([server.url("photo/1")], name=f"{name}.parquet", artist=pa.array([name]).cast(kind))
        for name, kind in kinds.items()
    ]
    fetch(replace(config, input=tuple(places), dedup=False))
    found = [json.loads(data) for name, data in members(config.out).items() if name.endswith("json")]
    assert [one["artist"] for one in found] == ["a", "b", "c"]


@pytest.mark.skipif(not hasattr(pa, "json_"), reason="this pyarrow does not know arrow.json")
def test_captions_in_a_column_of_json_are_unwrapped(server: Any, table: Table, config: FetchConfig) -> None:
    def column(*values: str | None) -> Any:
        return pa.ExtensionArray.from_storage(pa.json_(), pa.array(values, pa.string()))

    urls = [server.url(f"photo/{i}") for i in range(2)]
    rows = table(urls, column('"a \\"cat\\" und \\u00fc"', None), more=column('{"n": 1}', "3"))
    fetch(replace(config, input=(rows,), empty_captions="keep"))
    assert members(config.out)["000000.txt"].decode() == 'a "cat" und ü'
    assert members(config.out)["000001.txt"] == b""
    rows = table(urls, column('"a cat"', '{"en": "a cat"}'), name="b.parquet")
    with pytest.raises(UserError, match=r"b\.parquet: the column 'TEXT' is JSON, and .*en.* in it is not text"):
        fetch(replace(config, input=(rows,), out=config.out + "-b"))
