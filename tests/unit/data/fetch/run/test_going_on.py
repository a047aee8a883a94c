"""A folder that is there already: a retry asks only what failed, and another command is refused."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fetched import members, parquets, statuses
from majolica.config.fetch import FetchConfig, PictureConfig
from majolica.data.fetch.run import fetch
from majolica.errors import UserError

Table = Callable[..., str]


def test_retry_asks_only_what_may_have_passed(server: Any, table: Table, config: FetchConfig) -> None:
    paths = [
        "photo/1",
        "404",
        "later",
        "always-500",
        "photo/2",
        "noai.jpg",
        "copy.jpg",
        "good.jpg",
        "reset",
        "page.jpg",
    ]
    captions = [f"row {i}".encode() for i in range(9)] + [b"x"]
    captions[2] = b"caf\xe9"
    rows = table([server.url(path) for path in paths], captions, similarity=[float(i) for i in range(10)])
    config = replace(config, input=(rows,), per_shard=4)
    fetch(config, retry_failed=False)
    first = members(config.out)
    failed = [key for key, word in statuses(config.out) if word in ("http_500", "connection")]
    assert failed == ["000002", "000003", "000020"]
    server.asked.clear()
    server.well = True
    fetch(replace(config, input=()), retry_failed=True)  # the folder knows its input
    asked = {path.partition("/")[2] for path, count in server.asked.items() if count}
    assert asked == {"robots.txt", "later", "always-500", "reset"}
    found = members(config.out)
    assert first.items() <= found.items()
    new = json.loads(found["000030.json"])
    assert new["retry_of"] == "000002" and new["similarity"] == 2.0 and new["url"] == server.url("later")
    assert base64.b64decode(new["caption_base64"]) == b"caf\xe9"
    assert statuses(config.out)[-3:] == [("000030", "success"), ("000031", "http_500"), ("000032", "connection")]
    fetch(config, retry_failed=True)
    assert [word for _, word in statuses(config.out)[-2:]] == ["http_500", "connection"]
    last = pq.read_table(parquets(config.out)[-1]).to_pylist()
    assert [row["retry_of"] for row in last] == ["000031", "000032"]
    said: list[str] = []
    totals = fetch(config, say=said.append)
    assert said == ["5 of 5 shards are there already"]
    # A row that was asked again counts once, by what came of it last.
    assert totals.rows == totals.statuses.total() == 10
    assert totals.statuses == {"success": 3, "duplicate": 2, "http_404": 1, "opted_out": 1, "not_a_picture": 1} | {
        "http_500": 1,
        "connection": 1,
    }


def test_the_folder_and_the_command_must_fit(server: Any, table: Table, config: FetchConfig) -> None:
    rows = table([server.url("good.jpg")] * 3)
    config = replace(config, input=(rows,))
    fetch(config)
    for other, told in (
        (replace(config, per_shard=11), "begun with per_shard 10"),
        (replace(config, picture=replace(config.picture, side=49)), "begun with picture.side 48"),
        (replace(config, input=(table([server.url("good.jpg")] * 4, name="b.parquet"),)), "begun with other input"),
    ):
        with pytest.raises(UserError, match=told):
            fetch(other)
    fetch(replace(config, threads=2, web=replace(config.web, connections=3)))


def test_two_at_once_are_refused(server: Any, table: Table, config: FetchConfig) -> None:
    from majolica.lock import hold_folder

    config = replace(config, input=(table([server.url("good.jpg")]),))
    with hold_folder(Path(config.out)), pytest.raises(UserError, match="is in use: process"):
        fetch(config)


def test_a_command_without_input_keeps_the_settings_of_the_folder(
    server: Any, table: Table, config: FetchConfig
) -> None:
    config = replace(config, input=(table([server.url("photo/1"), server.url("photo/2")]),), per_shard=1)
    fetch(config)
    first = members(config.out)
    (Path(config.out) / "00001_stats.json").unlink()
    usual = replace(config, input=(), picture=PictureConfig(), per_shard=FetchConfig().per_shard)
    fetch(usual)
    assert members(config.out) == first
    for other, told in (
        (replace(usual, picture=PictureConfig(side=49)), "begun with picture.side 48: use another --out"),
        (replace(usual, empty_captions="keep"), "begun with empty_captions skip"),
        (replace(usual, caption_column="alt"), "begun with other columns"),
    ):
        with pytest.raises(UserError, match=told):
            fetch(other)


def test_rows_of_files_with_different_columns_are_asked_again(server: Any, table: Table, config: FetchConfig) -> None:
    places = (
        table([server.url("always-500")], name="a.parquet", n=[1]),
        table([server.url("reset")], name="b.parquet"),
    )
    config = replace(config, input=places, per_shard=1)
    fetch(config)
    server.well = True
    fetch(config, retry_failed=True)
    rows = pa.concat_tables(map(pq.read_table, parquets(config.out)[2:]), promote_options="permissive").to_pylist()
    assert [(row["retry_of"], row["n"]) for row in rows] == [("00000", 1), ("00001", None)]


@pytest.mark.parametrize("name", ["00000.tar", "mine.tar", "00000_stats.json", "00000.parquet"])
def test_files_of_another_data_set_are_left_alone(name: str, server: Any, table: Table, config: FetchConfig) -> None:
    """Without a plan of its own the folder is somebody else's: its shards are neither replaced nor counted as ours."""
    foreign = Path(config.out) / name
    foreign.parent.mkdir()
    foreign.write_text('{"count": 1}')
    hidden = [foreign.with_name(".mine.tmp"), foreign.with_name(".00000.tar.deadbeef.tmp")]
    for path in hidden:
        path.touch()
    with pytest.raises(UserError, match=rf"out holds {name} of some other data set; choose another --out"):
        fetch(replace(config, input=(table([server.url("photo/1")]),)))
    assert foreign.read_text() == '{"count": 1}'
    assert sorted(foreign.parent.iterdir()) == sorted([foreign, *hidden])


def test_only_what_a_killed_fetch_left_is_removed(server: Any, table: Table, config: FetchConfig) -> None:
    config = replace(config, input=(table([server.url("photo/1")]),))
    mine, left = Path(config.out) / ".mine.tmp", Path(config.out) / ".00000.tar.deadbeef.tmp"
    mine.parent.mkdir()
    mine.touch()
    left.touch()
    fetch(config)
    assert mine.exists() and not left.exists()


def _begun(server: Any, table: Table, config: FetchConfig) -> FetchConfig:
    """A fetch of two shards, of which the second is to be made again."""
    config = replace(config, input=(table([server.url("photo/1"), server.url("photo/2")]),), per_shard=1)
    fetch(config)
    (Path(config.out) / "00001_stats.json").unlink()
    return config


def test_an_input_that_was_replaced_is_refused(server: Any, table: Table, config: FetchConfig) -> None:
    config = _begun(server, table, config)
    table([server.url("photo/3"), server.url("photo/4")])
    for again in (config, replace(config, input=())):
        with pytest.raises(UserError, match=r"rows\.parquet has changed since .* was begun; use another --out") as one:
            fetch(again)
        assert "\n" not in str(one.value)
    assert not (Path(config.out) / "00001_stats.json").exists()


def test_an_input_that_was_only_copied_or_touched_goes_on(server: Any, table: Table, config: FetchConfig) -> None:
    config = _begun(server, table, config)
    path = Path(config.input[0])
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)
    os.utime(path, (1, 1))
    for again in (config, replace(config, input=())):
        assert fetch(again).statuses == {"success": 2}
        (Path(config.out) / "00001_stats.json").unlink()


def test_a_plan_without_the_marks_of_its_input_goes_on(server: Any, table: Table, config: FetchConfig) -> None:
    """Such plans were written before the content of the input was compared."""
    config = _begun(server, table, config)
    path = Path(config.out) / "plan.json"
    plan = json.loads(path.read_text())
    del plan["generations"][0]["sources"][0]["mark"]
    path.write_text(json.dumps(plan))
    for again in (config, replace(config, input=())):
        assert fetch(again).statuses == {"success": 2}
        (Path(config.out) / "00001_stats.json").unlink()
