"""Local pictures into shards: the same bytes every time, nothing lost in silence, whatever lies in the folder."""

from __future__ import annotations

import csv
import errno
import hashlib
import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from majolica.config.engine import EngineConfig
from majolica.config.shard import ShardConfig
from majolica.data.folder import gather as module
from majolica.data.folder import spool
from majolica.data.folder.gather import gather
from majolica.data.folder.listing import rows
from majolica.data.pictures.decode import decode
from majolica.data.store.record import Record
from majolica.data.store.shards import ShardSet
from majolica.errors import UserError

Picture = Callable[..., bytes]


@pytest.fixture
def folder(tmp_path: Path, picture: Picture) -> Path:
    """Ten pictures in three folders, each with its number as its caption."""
    for i in range(10):
        path = tmp_path / "in" / ("sub/deep" if i % 3 == 0 else f"part{i % 3}") / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(i, 12, 9))
        path.with_suffix(".txt").write_text(f"number {i}\n")
    return tmp_path / "in"


def config(source: Path, **options: Any) -> ShardConfig:
    return ShardConfig(source=str(source), out=str(source.parent / "out"), per_shard=4, **options)


def records(folder: Path) -> list[Record]:
    shards = ShardSet(folder)
    return [shards.read(i) for i in range(len(shards))]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.tar")}


def skipped(out: Path) -> dict[str, str]:
    lines = [json.loads(line) for line in (out / "skipped.jsonl").read_text().splitlines()]
    return {line["path"]: line["reason"] for line in lines}


def test_a_folder(folder: Path, picture: Picture) -> None:
    report = gather(config(folder))
    out = folder.parent / "out"
    assert report.pictures == {str(out): 10} and report.shards == {str(out): 3} and report.skipped == {}
    found = records(out)
    order = [1, 4, 7, 2, 5, 8, 0, 3, 6, 9]  # part1, part2, sub/deep
    assert [record.caption for record in found] == [f"number {i}" for i in order]
    assert [record.image for record in found] == [picture(i, 12, 9) for i in order]
    assert found[0].meta["path"] == "part1/1.png" and found[4].meta["key"] == "000010000"
    assert (found[0].meta["width"], found[0].meta["height"]) == (12, 9)
    assert not (out / ".rows").exists()


def test_the_same_bytes_every_time(folder: Path) -> None:
    gather(config(folder))
    first = contents(folder.parent / "out")
    other = replace(config(folder), out=str(folder.parent / "other"), engine=EngineConfig(workers=2))
    gather(other)
    assert contents(folder.parent / "other") == first


def test_interrupted_and_continued(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is finished is kept, the rest is made, and the end is the same as in one go."""
    gather(replace(config(folder), out=str(folder.parent / "whole")))
    real = module._shard

    def dying(task: spool.ShardTask, config: ShardConfig) -> None:
        if task.number == 1:
            raise KeyboardInterrupt
        real(task, config)

    monkeypatch.setattr(module, "_shard", dying)
    with pytest.raises(KeyboardInterrupt):
        gather(config(folder))
    times = {path: path.stat().st_mtime_ns for path in (folder.parent / "out").glob("*.tar")}
    assert len(times) == 1
    monkeypatch.undo()
    gather(config(folder))
    assert contents(folder.parent / "out") == contents(folder.parent / "whole")
    assert all(path.stat().st_mtime_ns == time for path, time in times.items())


def test_half_a_tar_of_a_killed_process_is_removed(folder: Path, tmp_path: Path) -> None:
    options = config(folder, heldout=0.5)
    gather(options)
    for split in ("train", "heldout"):
        (tmp_path / "out" / split / ".00007.tar.0123abcd.tmp").write_bytes(b"half")
    gather(options)
    assert not list((tmp_path / "out").rglob("*.tmp"))


def test_what_changed_is_made_again(folder: Path, picture: Picture, monkeypatch: pytest.MonkeyPatch) -> None:
    gather(config(folder))
    (folder / "part2/2.txt").write_text("another")
    made: list[Path] = []
    real = module.write_tar
    monkeypatch.setattr(module, "write_tar", lambda path, pairs: made.append(path.name) or real(path, pairs))
    gather(config(folder))
    assert made == ["00000.tar"]
    assert records(folder.parent / "out")[3].caption == "another"
    (folder.parent / "out/00002.tar").unlink()
    gather(config(folder))
    assert made == ["00000.tar", "00002.tar"]
    (folder / "a.png").write_bytes(picture(77, 8, 8))
    (folder / "a.txt").write_text("first of all")
    gather(config(folder))  # everything moves by one
    assert [record.caption for record in records(folder.parent / "out")][:2] == ["first of all", "number 1"]
    for path in folder.rglob("*[0-7].png"):
        path.unlink()
    with pytest.raises(UserError, match=r"holds tars that the source no longer gives \(00001.tar, 00002.tar\)"):
        gather(config(folder))


def test_another_set_in_the_same_place(folder: Path, write: Callable[..., Path]) -> None:
    gather(config(folder))
    with pytest.raises(UserError, match=r"other options .*choose another --out"):
        gather(config(folder, quality=80))
    strange = write(2)
    with pytest.raises(UserError, match="tars of some other data set"):
        gather(replace(config(folder), out=str(strange)))


@pytest.mark.parametrize("heldout", [0.3, 4])
def test_held_out(folder: Path, heldout: float) -> None:
    """A picture's side depends on its path alone."""
    report = gather(config(folder, heldout=heldout))
    out = folder.parent / "out"
    train, held = records(out / "train"), records(out / "heldout")
    assert len(train) + len(held) == 10 and report.pictures == {
        str(out / "train"): len(train),
        str(out / "heldout"): len(held),
    }
    names = {record.meta["path"] for record in held}
    if heldout == 4:
        assert len(held) == 4
    for path in sorted(folder.rglob("*.png")):
        if str(path.relative_to(folder)) not in names and len(train) > 1:
            path.unlink()
            break
    again = replace(config(folder, heldout=heldout), out=str(out.with_name("again")))
    gather(again)
    assert {record.meta["path"] for record in records(out.with_name("again") / "heldout")} == names


def test_a_share_is_about_right() -> None:
    hashes = [spool._hash({"path": f"{i}.jpg"}) for i in range(5000)]
    threshold = spool._threshold(ShardConfig(heldout=0.1))
    assert 420 < sum(value < threshold for value in hashes) < 580
    digest = hashlib.sha256(b"a/b.jpg").hexdigest()
    assert f"{spool._hash({'path': 'a/b.jpg'}):016x}" == digest[:16]


def test_more_held_out_than_there_are(folder: Path) -> None:
    with pytest.raises(UserError, match=r"11 pictures shall be held out, but .* has only 10"):
        gather(config(folder, heldout=11))
    with pytest.raises(UserError, match=r"all 10 pictures of .* shall be held out, and none is left to train on"):
        gather(config(folder, heldout=10))
    with pytest.raises(UserError, match="a share below 1 or a whole number"):
        gather(config(folder, heldout=2.5))


def test_captions_from_elsewhere(folder: Path) -> None:
    (folder / "part1/1.txt").unlink()
    (folder / "part1/1.json").write_text('{"caption": "from json", "label": 3, "width": 99}')
    (folder / "part1/4.txt").unlink()
    (folder / "part1/7.txt").rename(folder / "part1/blue_sky-2.txt")
    (folder / "part1/7.png").rename(folder / "part1/red_sky-2.png")
    gather(config(folder, caption=("given", "folder")))
    found = {record.meta["path"]: record for record in records(folder.parent / "out")}
    assert found["part1/1.png"].caption == "from json"
    assert found["part1/1.png"].meta["label"] == 3 and found["part1/1.png"].meta["source_width"] == 99
    assert found["part1/4.png"].caption == "part1"
    gather(replace(config(folder, caption=("name",)), out=str(folder.parent / "names")))
    assert "red sky 2" in [record.caption for record in records(folder.parent / "names")]


def test_what_cannot_be_used_is_named(folder: Path, picture: Picture) -> None:
    image = picture(1, 8, 8)
    for name, data, caption in (
        ("none.png", image, None),
        ("blank.png", image, b" \n"),
        ("latin.png", image, "Zürich".encode("latin-1")),
        ("empty.png", b"", b"x"),
        ("text.jpg", b"this is no picture", b"x"),
        ("cut.jpg", picture(1, 64, 64, "jpg")[:300], b"x"),
        ("photo.heic", b"\0\0\0\x18ftypheic" + bytes(50), b"x"),
        ("huge.png", picture(1, 200, 200), b"x"),
        ("small.png", picture(1, 8, 5), b"x"),
        ("folder.png", None, b"x"),
        ("dangling.png", "nowhere", b"x"),
        ("._hidden.png", image, b"x"),
        ("notes.md", b"", None),
    ):
        path = folder / name
        if isinstance(data, bytes):
            path.write_bytes(data)
        elif data:
            path.symlink_to(data)
        else:
            path.mkdir()
            (path / "loop").symlink_to(folder)
        if caption is not None:
            path.with_suffix(".txt").write_bytes(caption)
    report = gather(config(folder, min_side=6, max_megapixels=0.03))
    assert skipped(folder.parent / "out") == {
        "none.png": "no_caption",
        "blank.png": "empty_caption",
        "latin.png": "caption_not_utf8",
        "empty.png": "empty",
        "text.jpg": "not_a_picture",
        "cut.jpg": "damaged",
        "photo.heic": "not_a_picture",
        "huge.png": "too_many_pixels",
        "small.png": "too_small",
        "dangling.png": "missing",
    }
    assert report.skipped["no_caption"] == 1 and report.skipped.keys() == set(skipped(folder.parent / "out").values())
    assert len(records(folder.parent / "out")) == 10


def test_odd_names(tmp_path: Path, picture: Picture) -> None:
    names = ["日本.PNG", "a b.v2.png", os.fsdecode(b"bad\xff.png"), "x" * 200 + ".png", "quote'\".png", "-rf.png"]
    (tmp_path / "in").mkdir()
    for i, name in enumerate(names):
        (tmp_path / "in" / name).write_bytes(picture(i, 8, 8))
        (tmp_path / "in" / name).with_suffix(".txt").write_bytes(
            b"\xef\xbb\xbfcaption\x00 " + name[:3].encode("utf-8", "replace")
        )
    gather(config(tmp_path / "in"))
    found = records(tmp_path / "out")
    assert {record.meta["path"] for record in found} == set(names)
    assert all(record.caption.startswith("caption\x00 ") for record in found)


def test_pictures_as_cameras_and_scanners_make_them(tmp_path: Path) -> None:
    """On its side by EXIF, 16 bits, CMYK, transparent, TIFF: upright 8-bit RGB that the loader reads."""
    (tmp_path / "in").mkdir()
    wide = np.zeros((20, 40, 3), np.uint8)
    wide[:, :20] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(wide).save(tmp_path / "in/turned.jpg", quality=95, exif=exif)
    Image.fromarray(wide).save(tmp_path / "in/plain.tif")
    Image.fromarray(wide).save(tmp_path / "in/turned.tiff", exif=exif)
    Image.fromarray(wide).convert("CMYK").save(tmp_path / "in/cmyk.jpg", quality=95)
    Image.fromarray(wide[:, :, 0].astype(np.uint16) * 257).save(tmp_path / "in/deep.png")
    Image.fromarray(np.dstack([wide * 0, wide[:, :, :1]])).save(tmp_path / "in/clear.png")
    gather(config(tmp_path / "in", caption=("name",)))
    found = {record.meta["path"]: record for record in records(tmp_path / "out")}
    assert len(found) == 6
    for name, record in found.items():
        image = decode(record.image).image
        upright = image.transpose(1, 0, 2) if "turned" in name else image
        assert upright.shape == (20, 40, 3), name
        left, right = upright[:, :15].mean(), upright[:, 25:].mean()
        assert (left < 20 and right > 235) if name == "clear.png" else (left > 235 and right < 20), name
    assert found["plain.tif"].extension == "png"


def test_scaled_down(tmp_path: Path, picture: Picture) -> None:
    (tmp_path / "in").mkdir()
    for name, size in (("wide", (90, 30)), ("small", (20, 10)), ("tall", (40, 70))):
        (tmp_path / f"in/{name}.jpg").write_bytes(picture(3, *size, "jpg"))
    gather(config(tmp_path / "in", caption=("name",), resolution=20))
    found = {record.caption: record for record in records(tmp_path / "out")}
    sizes = {name: decode(record.image).image.shape[1::-1] for name, record in found.items()}
    assert sizes == {"wide": (60, 20), "small": (20, 10), "tall": (20, 35)}
    assert found["small"].image == picture(3, 20, 10, "jpg")
    assert (found["wide"].meta["original_width"], found["wide"].meta["original_height"]) == (90, 30)


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
        ("b.jsonl", b'{"path": "x", "caption": "y"}\n{"path"\n', "b.jsonl, line 2: not a JSON mapping"),
        ("c.jsonl", b"[1, 2]\n", "c.jsonl, line 1: not a JSON mapping"),
        ("d.csv", b"", "there are no pictures"),
        ("e.xlsx", b"", "neither a folder nor a table"),
    ):
        (folder / name).write_bytes(data)
        with pytest.raises(UserError, match=match):
            gather(config(folder / name))
    assert not list((folder / "out").glob("*"))


def test_bad_places(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(UserError, match=r"there is no .*nowhere"):
        gather(config(tmp_path / "nowhere"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="there are no pictures in"):
        gather(config(tmp_path / "empty"))
    (tmp_path / "empty" / "00000.tar").touch()
    advice = f"but tars (1): training reads tars of captioned pictures as they are, and `majolica data index {tmp_path}"
    with pytest.raises(UserError, match=re.escape(advice)):
        gather(config(tmp_path / "empty"))
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write .*Not a directory"):
        gather(replace(config(folder), out=str(tmp_path / "file/out")))
    for path in folder.rglob("*.txt"):
        path.unlink()
    with pytest.raises(UserError, match=r"no picture in .* can be used \(10 x no_caption\)"):
        gather(config(folder))


def test_a_full_disk_leaves_whole_shards(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk fills while the second tar is written: the first stays, and the same command goes on from there."""
    gather(replace(config(folder), out=str(folder.parent / "whole")))

    def add(tar: Any, name: str, data: bytes) -> None:
        if name.startswith("00001000"):
            raise OSError(errno.ENOSPC, "No space left on device")
        original(tar, name, data)

    from majolica.data.store import pack

    original = pack._add
    monkeypatch.setattr(pack, "_add", add)
    with pytest.raises(UserError, match=r"cannot write .*00001\.tar: No space left on device"):
        gather(config(folder))
    out = folder.parent / "out"
    assert {p.name for p in out.iterdir()} == {"00000.tar", "00000.mjidx", "00000_stats.json", "dataset.json"}
    monkeypatch.undo()
    gather(config(folder))
    assert contents(out) == contents(folder.parent / "whole")


def test_one_picture_in_memory_at_a_time(tmp_path: Path) -> None:
    """A shard of large pictures needs no more memory than a few of them."""
    import tracemalloc

    (tmp_path / "in").mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (512, 1024, 3), dtype=np.uint8)
    for i in range(20):
        Image.fromarray(np.roll(noise, i, 0)).save(tmp_path / f"in/{i}.png", compress_level=0)
    tracemalloc.start()
    gather(replace(config(tmp_path / "in", caption=("name",)), per_shard=100))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (tmp_path / "out/00000.tar").stat().st_size > 30e6 and peak < 12e6


def test_rows_do_not_depend_on_the_order_of_the_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = list(rows(config(folder)))
    real = os.scandir

    class Backwards:
        def __init__(self, path: Any) -> None:
            self.entries = sorted(real(path), key=lambda entry: entry.name, reverse=True)

        def __enter__(self) -> Any:
            return iter(self.entries)

        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr(os, "scandir", Backwards)
    assert list(rows(config(folder))) == expected and len(expected) == 10


def test_pictures_without_a_caption(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Counted, with the option that gives them one; or kept, where that is what the user wants."""
    from majolica import cli

    (folder / "part1/1.txt").write_text("\u200b \x00")
    (folder / "part1/4.txt").unlink()
    (folder / "part1/7.txt").write_text("")
    (folder / "part1/7.json").write_text('{"caption": "", "text": "four"}')
    out = folder.parent / "out"
    assert cli.main(["data", "shard", str(folder), "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "left out: 1 x empty_caption, 1 x no_caption" in said
    assert "captions come from the .txt beside each picture: `--caption given name`" in said
    assert "four" in [record.caption for record in records(out)] and len(records(out)) == 8
    gather(replace(config(folder, caption=("given", "empty")), out=str(folder.parent / "kept")))
    kept = ShardSet(folder.parent / "kept", empty_captions="keep")
    assert len(kept) == 10 and kept.empty == 2


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


def test_pipes_are_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "pipe.jpg")
    (folder / "pipe.txt").write_text("words")
    (folder / "part1/4.txt").unlink()
    os.mkfifo(folder / "part1/4.txt")
    os.mkfifo(folder / "part1/1.json")
    gather(config(folder))
    assert skipped(folder.parent / "out") == {"pipe.jpg": "unreadable", "part1/4.png": "unreadable"}
    assert len(records(folder.parent / "out")) == 9
