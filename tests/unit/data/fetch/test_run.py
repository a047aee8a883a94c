"""Shards are whole, the same however often and by whom they were made, and a retry asks only what failed."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import majolica
from majolica.config import io
from majolica.config.engine import EngineConfig
from majolica.config.fetch import FetchConfig
from majolica.data.fetch import crawl, shard, spool
from majolica.data.fetch.run import fetch
from majolica.data.store.shards import ShardSet
from majolica.errors import UserError

Table = Callable[..., str]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(majolica.__file__).parents[1])}


@pytest.fixture
def config(config: FetchConfig) -> FetchConfig:
    """Loopback is allowed: these tests also fetch from other processes."""
    return replace(config, web=replace(config.web, allow_private=True), per_shard=10, dedup=True)


def statuses(out: str | Path) -> list[tuple[str, str]]:
    """(key, status) of every row in a folder."""
    return [(row["key"], row["status"]) for path in parquets(out) for row in pq.read_table(path).to_pylist()]


def parquets(out: str | Path) -> list[Path]:
    return [path for path in sorted(Path(out).glob("*.parquet")) if path.stem.isdecimal()]


def members(out: str | Path) -> dict[str, bytes]:
    """Every member of every tar; a name that comes twice fails."""
    found: dict[str, bytes] = {}
    for path in sorted(Path(out).glob("*.tar")):
        with tarfile.open(path) as tar:
            for member in tar:
                assert member.name not in found
                found[member.name] = tar.extractfile(member).read()  # type: ignore[union-attr]
    return found


def with_copies(server: Any, count: int) -> list[str]:
    """URLs of which every third shows what one some shards earlier shows."""
    return [server.url(f"photo/{i if i % 3 else i // 4}?{i}") for i in range(count)]


def test_layout_is_that_of_img2dataset(server: Any, table: Table, config: FetchConfig) -> None:
    urls = [server.url(f"photo/{i}") for i in range(12)] + [server.url("404")]
    rows = table(urls, similarity=[0.5 + i for i in range(12)] + [float("nan")], width=list(range(13)))
    fetch(replace(config, input=(rows,), per_shard=1000))
    out = Path(config.out)
    assert sorted(path.name for path in out.iterdir() if path.name[0] != ".") == [
        *("00000.mjidx", "00000.parquet", "00000.tar", "00000_stats.json", "plan.json")
    ]
    found = members(out)
    assert list(found)[:4] == ["00000000.jpg", "00000000.txt", "00000000.json", "00000001.jpg"]
    known = json.loads(found["00000003.json"])
    assert known["url"] == urls[3] and known["caption"] == "picture 3" and known["similarity"] == 3.5
    assert known["source_width"] == 3 and (known["width"], known["height"]) == (72, 48)
    assert (known["original_width"], known["original_height"], known["status"]) == (90, 60, "success")
    table_of = pq.read_table(out / "00000.parquet").to_pylist()
    assert [row["status"] for row in table_of] == ["success"] * 12 + ["http_404"]
    assert {"key", "url", "caption", "error_message", "sha256", "phash", "similarity"} <= set(table_of[0])
    statistics = json.loads((out / "00000_stats.json").read_text())
    assert (statistics["count"], statistics["successes"], statistics["failed_to_download"]) == (13, 12, 1)
    assert statistics["status_dict"] == {"success": 12, "http_404": 1}


def test_captions_are_kept_exactly(server: Any, table: Table, config: FetchConfig) -> None:
    captions = ["", "a\0b", " two\n lines\t", "grün 🫖", "x" * 100_000, b"caf\xe9", None]
    rows = table(
        [server.url(f"photo/{i}") for i in range(7)], [c.encode() if isinstance(c, str) else c for c in captions]
    )
    assert fetch(replace(config, input=(rows,), empty_captions="keep")).silent == 2
    found = members(config.out)
    texts = [found[f"{i:06d}.txt"].decode() for i in range(7)]
    assert texts == ["", "a\0b", " two\n lines\t", "grün 🫖", "x" * 100_000, "caf\N{REPLACEMENT CHARACTER}", ""]
    known = [json.loads(found[f"{i:06d}.json"]) for i in range(7)]
    assert [one["caption"] for one in known] == texts
    assert base64.b64decode(known[5]["caption_base64"]) == b"caf\xe9" and "caption_base64" not in known[4]
    shards = ShardSet(Path(config.out), empty_captions="keep")
    assert [shards.caption(i) for i in range(7)] == texts and shards.empty == 2


def test_rows_with_an_empty_caption_are_not_asked_for(server: Any, table: Table, config: FetchConfig) -> None:
    captions = [None, "a cat", "", " \u200b", b"\xff"]
    urls = [server.url(f"photo/{i}") for i in range(5)]
    rows = table(urls, [c.encode() if isinstance(c, str) else c for c in captions])
    config = replace(config, input=(rows,))
    totals = fetch(config)
    assert totals.statuses == {"success": 2, "empty_caption": 3} and totals.silent == 0
    table_of = pq.read_table(Path(config.out) / "00000.parquet").to_pylist()
    assert [row["status"] for row in table_of] == [*["empty_caption", "success"], *["empty_caption"] * 2, "success"]
    assert [row["attempts"] for row in table_of] == [0, 1, 0, 0, 1] and not any(row["retry"] for row in table_of)
    with pytest.raises(UserError, match="was begun with empty_captions skip"):
        fetch(replace(config, empty_captions="keep"))
    path = Path(config.out) / "plan.json"
    known = json.loads(path.read_text())
    del known["empty_captions"]  # as an earlier version left it, which kept them all
    path.write_text(json.dumps(known))
    with pytest.raises(UserError, match="was begun with empty_captions keep"):
        fetch(config)
    fetch(replace(config, empty_captions="keep"))


def test_a_copy_names_a_picture_that_stays(server: Any, table: Table, config: FetchConfig) -> None:
    """Two copies in one shard of a picture in an earlier one: the second names that one too."""
    urls = [server.url(f"photo/{name}") for name in ("0?a", "1", "0?b", "0?c")]
    fetch(replace(config, input=(table(urls),), per_shard=2))
    rows = [row for path in parquets(config.out) for row in pq.read_table(path).to_pylist()]
    assert [row["duplicate_of"] for row in rows] == [None, None, rows[0]["key"], rows[0]["key"]]


@pytest.mark.parametrize("kind", [pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary(), None], ids=str)
def test_captions_of_every_kind_of_column(server: Any, tmp_path: Path, config: FetchConfig, kind: Any) -> None:
    url, caption = server.url("photo/0"), "café"
    if kind is None:
        columns = {"url": pa.array([url]).dictionary_encode(), "caption": pa.array([caption]).dictionary_encode()}
    else:
        raw = [text.encode() if "binary" in str(kind) else text for text in (url, caption)]
        columns = {name: pa.array([value], kind) for name, value in zip(("url", "caption"), raw, strict=True)}
    pq.write_table(pa.table({**columns, "more": columns["caption"]}), tmp_path / "kinds.parquet")
    fetch(replace(config, input=(str(tmp_path / "kinds.parquet"),)))
    found = members(config.out)
    [known] = [json.loads(data) for name, data in found.items() if name.endswith(".json")]
    assert (known["url"], known["caption"], known["more"]) == (url, caption, caption)


def test_copies_go_wherever_they_are_and_the_first_key_stays(server: Any, table: Table, config: FetchConfig) -> None:
    config = replace(config, input=(table(with_copies(server, 45)),))
    totals = fetch(config)
    first: dict[int, str] = {}
    expected = []
    for i in range(45):
        key = f"{i:06d}"
        picture = i if i % 3 else i // 4
        expected.append((key, "duplicate" if picture in first else "success"))
        first.setdefault(picture, key)
    assert statuses(config.out) == expected
    assert sorted({name[:6] for name in members(config.out)}) == sorted(first.values())
    rows = [row for path in parquets(config.out) for row in pq.read_table(path).to_pylist()]
    for i, row in enumerate(rows):
        picture = i if i % 3 else i // 4
        assert row["duplicate_of"] == (first[picture] if row["status"] == "duplicate" else None)
    assert totals.statuses == {"success": len(first), "duplicate": 45 - len(first)}
    assert len(ShardSet(Path(config.out))) == len(first)
    whole = members(config.out)
    fetch(config)  # nothing is left to do, and nothing is done
    assert members(config.out) == whole
    other = replace(config, out=config.out + "-kept", dedup=False)
    fetch(other)
    assert {word for _, word in statuses(other.out)} == {"success"}


def test_open_shards_and_threads_change_nothing(server: Any, table: Table, config: FetchConfig) -> None:
    config = replace(config, input=(table(with_copies(server, 45)),))
    outs = []
    for open_shards, threads, connections in ((1, 1, 1), (4, 3, 32)):
        outs.append(f"{config.out}-{open_shards}")
        web = replace(config.web, connections=connections)
        fetch(replace(config, out=outs[-1], open_shards=open_shards, threads=threads, web=web))
    assert members(outs[0]) == members(outs[1])
    tars = [[path.read_bytes() for path in sorted(Path(out).glob("*.tar"))] for out in outs]
    assert tars[0] == tars[1]


def test_kill_9_then_the_same_command_completes(server: Any, table: Table, config: FetchConfig, tmp_path: Path) -> None:
    """Finished shards are not asked again, and the result is that of an uninterrupted run."""
    config = replace(config, input=(table(with_copies(server, 60)),), open_shards=1)
    config = replace(config, web=replace(config.web, connections=2))
    io.save(config, tmp_path / "fetch.yaml")
    command = [sys.executable, "-m", "majolica", "data", "fetch", str(tmp_path / "fetch.yaml")]
    out = Path(config.out)
    process = subprocess.Popen(command, env=ENVIRONMENT, start_new_session=True)
    began = time.monotonic()
    while len(list(out.glob("*_stats.json"))) < 2 and time.monotonic() - began < 60:
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    finished = len(list(out.glob("*_stats.json")))
    assert 2 <= finished < 6, "killed too late to say anything"
    (out / ".00004.tar.deadbeef.tmp").write_bytes(b"half")  # as a kill in the middle of a write would leave
    before = dict(server.asked)
    assert subprocess.run(command, env=ENVIRONMENT, check=False).returncode == 0
    kept = [path for i in range(10 * finished) if server.asked[path := f"127.0.0.1/photo/{i if i % 3 else i // 4}"]]
    assert len(statuses(out)) == 60 and not list(out.glob(".*.tmp"))
    again = sum(server.asked.values()) - sum(before.values())
    assert again <= 60 - 10 * finished + 1, (again, len(kept))
    whole = replace(config, out=config.out + "-whole")
    fetch(whole)
    assert members(out) == members(whole.out) and statuses(out) == statuses(whole.out)


def test_interrupt_leaves_whole_shards_only(server: Any, table: Table, config: FetchConfig, tmp_path: Path) -> None:
    urls = [*(server.url(f"photo/{i}") for i in range(10)), *(server.url("slow-headers") for _ in range(10))]
    io.save(replace(config, input=(table(urls),)), tmp_path / "fetch.yaml")
    command = [sys.executable, "-m", "majolica", "data", "fetch", str(tmp_path / "fetch.yaml")]
    process = subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True, start_new_session=True)
    began = time.monotonic()
    while not (Path(config.out) / "00000_stats.json").exists() and time.monotonic() - began < 60:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130 and said.splitlines()[-1] == "majolica: interrupted", said
    assert "Traceback" not in said
    names = sorted(path.name for path in Path(config.out).iterdir())
    assert names == ["00000.mjidx", "00000.parquet", "00000.tar", "00000_stats.json", "plan.json"]


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
    assert fetch(config, say=said.append).rows == 15 and said == ["5 of 5 shards are there already"]


def test_per_host_limit_and_delay(names: None, server: Any, table: Table, config: FetchConfig) -> None:
    urls = [f"http://h{i % 2}.test:{server.port}/photo/{i}" for i in range(24)]
    config = replace(config, input=(table(urls),), per_shard=100)
    config = replace(config, polite=replace(config.polite, per_host=2))
    fetch(config)
    assert server.most["h0.test"] <= 2 and server.most["h1.test"] <= 2
    began = time.monotonic()
    polite = replace(config.polite, delay=0.1, per_host=8, robots=False)
    fetch(replace(config, out=config.out + "-slow", polite=polite))
    assert time.monotonic() - began >= 1.1  # twelve of each host
    assert server.asked["h0.test/robots.txt"] == 1


def test_a_dead_host_is_given_up(server: Any, table: Table, config: FetchConfig) -> None:
    urls = [server.url(f"reset?{i}") for i in range(40)]
    config = replace(config, input=(table(urls),), per_shard=100)
    web, polite = replace(config.web, retries=0), replace(config.polite, give_up=5, per_host=2)
    totals = fetch(replace(config, web=web, polite=polite))
    assert totals.statuses["host_down"] >= 30 and totals.statuses["connection"] >= 5
    assert server.asked["127.0.0.1/reset"] <= 16  # aiohttp repeats a request on a connection that was kept


@pytest.mark.parametrize("moment", ["spool", "tar", "table"])
def test_full_disk_is_one_line_and_leaves_nothing_half(
    moment: str, server: Any, table: Table, config: FetchConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    config = replace(config, input=(table([server.url(f"photo/{i}") for i in range(25)]),))
    target = {"spool": (spool.os, "pwrite"), "tar": (shard, "_add"), "table": (shard.pq, "write_table")}[moment]
    monkeypatch.setattr(*target, full)
    with pytest.raises(UserError, match="No space left on device; finished shards are kept") as told:
        fetch(config)
    assert "\n" not in str(told.value)
    monkeypatch.undo()
    assert not [path for path in Path(config.out).iterdir() if path.suffix in (".tmp", ".parquet")]
    assert not list(Path(config.out).glob("*_stats.json"))
    fetch(config)
    assert len(members(config.out)) == 75


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
    from majolica.data.fetch.plan import hold_and_sweep

    config = replace(config, input=(table([server.url("good.jpg")]),))
    with hold_and_sweep(Path(config.out)), pytest.raises(UserError, match="is in use: process"):
        fetch(config)


def test_processes_make_the_same_shards(server: Any, table: Table, config: FetchConfig) -> None:
    config = replace(config, input=(table(with_copies(server, 45)),))
    fetch(config)
    other = replace(config, out=config.out + "-two", engine=EngineConfig(workers=2))
    told: list[int] = []
    fetch(other, tell=lambda totals: told.append(totals.done))
    assert members(config.out) == members(other.out) and statuses(config.out) == statuses(other.out)
    assert told[-1] == 45


@pytest.mark.slow
def test_ray_makes_the_same_shards(server: Any, table: Table, config: FetchConfig) -> None:
    from ray.cluster_utils import Cluster

    config = replace(config, input=(table(with_copies(server, 45)),))
    fetch(config)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        cluster.add_node(num_cpus=1)
        engine = EngineConfig("ray", 2, cluster.address)
        other = replace(config, out=config.out + "-ray", engine=engine)
        fetch(other)
    finally:
        import ray

        ray.shutdown()
        cluster.shutdown()
    assert members(config.out) == members(other.out) and statuses(config.out) == statuses(other.out)


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
        ("none.parquet", "no parquet file at"),
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


def test_named_columns(server: Any, config: FetchConfig, tmp_path: Path) -> None:
    pq.write_table(pa.table({"where": [server.url("good.jpg")], "what": ["w"], "url": ["x"]}), tmp_path / "r.parquet")
    fetch(replace(config, input=(str(tmp_path / "r.parquet"),), url_column="where", caption_column="what"))
    assert members(config.out)["000000.txt"] == b"w"


def test_memory_is_flat(server: Any, table: Table, config: FetchConfig, tmp_path: Path) -> None:
    """Bombs, endless bodies and drips by the hundred cost no more than a few pictures do."""
    peaks = []
    bad = ("endless", "bomb", "huge.png", "promises-much", "scans.jpg", "cut.jpg")
    for name, urls in (
        ("few", [server.url(f"photo/{i}") for i in range(8)]),
        ("many", [server.url(f"{bad[i % len(bad)]}?{i}") for i in range(240)]),
    ):
        io.save(
            replace(config, input=(table(urls, name=f"{name}.parquet"),), out=f"{config.out}-{name}"),
            tmp_path / "f.yaml",
        )
        code = (
            "import sys; from majolica.cli import main; main(sys.argv[1:]);"
            "print(*[line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')])"
        )
        words = [sys.executable, "-c", code, "data", "fetch", str(tmp_path / "f.yaml")]
        done = subprocess.run(words, env=ENVIRONMENT, capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout.split()[-1]) / 1024)
    assert peaks[1] < peaks[0] + 60, peaks  # MB: 32 connections of at most 1 MB, and what is being decoded
    assert peaks[1] < 300, peaks


def test_the_loop_is_never_blocked(
    server: Any, table: Table, config: FetchConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Decoding happens on threads: while one picture takes a second, the others are downloaded."""
    make = crawl.make_picture
    monkeypatch.setattr(crawl, "make_picture", lambda *args: time.sleep(0.3) or make(*args))
    told: list[float] = []
    config = replace(config, input=(table([server.url(f"photo/{i}") for i in range(6)]),))
    fetch(config, tell=lambda totals: told.append(time.monotonic()))
    assert max(b - a for a, b in pairwise(told)) < 1.2
