"""Tars: written whole, indexed once, read by offset; every kind of damage has a plain answer."""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from majolica.data.pictures.faults import BadSample
from majolica.data.store import index
from majolica.data.store.index import open_index, scan_tar
from majolica.data.store.pack import write_shards
from majolica.data.store.record import Record
from majolica.data.store.shards import ShardSet
from majolica.errors import UserError
from tars import tar

Write = Callable[..., Path]
Picture = Callable[..., bytes]


def test_round_trip(write: Write, picture: Picture) -> None:
    folder = write(95)
    assert [path.name for path in sorted(folder.glob("*.tar"))] == ["00000.tar", "00001.tar", "00002.tar"]
    for _ in range(2):  # by a scan, then by the saved index
        shards = ShardSet(folder)
        assert len(shards) == 95
        for i in (0, 39, 40, 94):
            record = shards.read(i)
            assert (record.image, record.extension, record.caption) == (
                picture(i, 8, 8),
                "png",
                f"number {i}",
            )
            assert record.meta["label"] == i
            assert record.meta["key"] == f"{i // 40:05d}{i % 40:04d}"
    for i in (-1, 95):
        with pytest.raises(IndexError):
            shards.read(i)


def test_layout_is_that_of_img2dataset(write: Write) -> None:
    with tarfile.open(write(2) / "00000.tar") as archive:
        assert archive.getnames() == [f"00000000{i}.{e}" for i in range(2) for e in ("png", "txt", "json")]
        member = archive.extractfile("000000001.json")
        assert member is not None
        known = json.load(member)
    assert known["key"] == "000000001" and known["status"] == "success" and known["caption"] == "number 1"


def test_tars_of_others_are_read(tmp_path: Path, picture: Picture) -> None:
    """Members in another order, in a folder, without metadata, with members that we do not know."""
    image = picture(5, 8, 8, "jpg")
    tar(
        tmp_path / "x.tar",
        [
            ("part/a.json", b'{"label": 1}'),
            ("part/a.txt", b"one"),
            ("part/a.jpg", image),
            ("part/b.JPEG", image),
            ("part/b.seg.png", image),  # the key ends at the first dot, as in WebDataset
            ("part/c.jpeg", image),
            ("part/c.txt", "zwei äöü".encode()),
            ("part/c.npy", b"123"),
        ],
    )
    shards = ShardSet(tmp_path)
    assert [shards.read(i).caption for i in range(len(shards))] == ["one", "zwei äöü"]
    assert shards.read(0).meta == {"label": 1} and shards.read(1).meta == {}
    assert open_index(tmp_path / "x.tar").skipped == 1


def test_index_is_kept_and_rebuilt_when_the_tar_changes(
    write: Write, monkeypatch: pytest.MonkeyPatch, picture: Picture
) -> None:
    folder = write(3)
    ShardSet(folder)
    monkeypatch.setattr(index, "scan_tar", lambda path: pytest.fail("scanned again"))
    assert len(ShardSet(folder)) == 3
    monkeypatch.undo()
    tar(folder / "00000.tar", [("z.png", picture(9, 8, 8)), ("z.txt", b"other")])
    assert ShardSet(folder).read(0).caption == "other"
    (folder / "00000.mjidx").write_bytes(b"short")
    assert ShardSet(folder).read(0).caption == "other"


def test_read_only_folder(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(95)
    scans: list[Path] = []

    def refuse(path: Path, data: bytes) -> None:
        raise UserError("read-only")

    monkeypatch.setattr(index, "write_atomic", refuse)
    monkeypatch.setattr(index, "scan_tar", lambda path: scans.append(path) or scan_tar(path))
    shards = ShardSet(folder)
    assert [shards.read(i).caption for i in (0, 50, 94)] == ["number 0", "number 50", "number 94"]
    assert len(scans) == 3 and not list(folder.glob("*.mjidx"))


def test_truncated_at_every_member(write: Write) -> None:
    """However a tar is cut, its whole samples are there and no broken one is."""
    folder = write(4)
    path = folder / "00000.tar"
    whole = path.read_bytes()
    with tarfile.open(path) as archive:
        ends = [member.offset_data + member.size for member in archive.getmembers()]
        starts = [member.offset for member in archive.getmembers()]
    for cut in sorted({*starts[1:], *(s + 100 for s in starts), *(s + 512 for s in starts), *(e - 1 for e in ends)}):
        path.write_bytes(whole[:cut])
        complete = sum(end <= cut for end in ends[2::3])
        found = open_index(path)
        assert found.truncated
        # The sample at the cut may be whole, but nothing after it says so.
        assert len(found.rows) in (complete, complete - 1)
        if len(found.rows):
            shards = ShardSet(folder)
            assert [shards.read(i).meta["label"] for i in range(len(shards))] == list(range(len(shards)))
        else:
            with pytest.raises(UserError, match="holds a whole picture"):
                ShardSet(folder)


def test_truncated_after_indexing(write: Write) -> None:
    folder = write(4)
    shards = ShardSet(folder)
    shards.read(0)
    os.truncate(folder / "00000.tar", 2000)
    with pytest.raises(BadSample, match="shrunk"):
        shards.read(3)
    shards = ShardSet(write(5))
    os.truncate(Path(shards.folder) / "00000.tar", 2000)
    with pytest.raises(BadSample, match="changed"):
        shards.read(3)


def test_one_broken_tar_among_good_ones(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    folder = write(120)
    (folder / "00001.tar").write_bytes(b"this is not a tar" * 100)
    shards = ShardSet(folder)
    assert len(shards) == 80
    assert shards.read(40).meta["label"] == 80
    assert "00001.tar" in caplog.text


def test_tar_without_captions(tmp_path: Path, picture: Picture) -> None:
    tar(tmp_path / "a.tar", [("0.png", picture(0, 8, 8)), ("1.png", picture(1, 8, 8))])
    with pytest.raises(UserError, match=r"a\.tar holds 2 pictures but no captions \(\.txt\)"):
        ShardSet(tmp_path)


def test_missing_empty_and_mistaken_folders(tmp_path: Path, write: Write) -> None:
    with pytest.raises(UserError, match="there is no folder"):
        ShardSet(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"no \.tar files: give a folder"):
        ShardSet(tmp_path / "empty")
    write(1).rename(tmp_path / "empty" / "train")
    with pytest.raises(UserError, match=r"did you mean .*empty/train\?"):
        ShardSet(tmp_path / "empty")
    tar(tmp_path / "none" / "a.tar", [])
    with pytest.raises(UserError, match="holds a whole picture"):
        ShardSet(tmp_path / "none")


def test_bad_caption_and_bad_metadata(tmp_path: Path, picture: Picture) -> None:
    """A caption that cannot be read is a fault; metadata that cannot be read is done without."""
    image = picture(0, 8, 8)
    members = [("a.png", image), ("a.txt", b"\xff\xfe"), ("b.png", image), ("b.txt", b"b"), ("b.json", b"{")]
    tar(tmp_path / "a.tar", members)
    shards = ShardSet(tmp_path)
    with pytest.raises(BadSample, match="UTF-8"):
        shards.read(0)
    assert shards.read(1) == Record(image, "png", "b", {}, "metadata that is no JSON mapping")


def test_manifest_tells_data_sets_apart(write: Write) -> None:
    one, other = ShardSet(write(50)), ShardSet(write(51))
    assert one.manifest == ShardSet(one.folder).manifest != other.manifest


def test_full_disk_leaves_no_half_shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, picture: Picture) -> None:
    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="No space left on device"):
        write_shards(tmp_path, [Record(picture(0, 8, 8), "png", "c", {})])
    assert not list(tmp_path.iterdir())


def test_same_samples_same_bytes(tmp_path: Path, picture: Picture) -> None:
    records = [Record(picture(i, 8, 8), "png", "c", {}) for i in range(3)]
    for name in "ab":
        write_shards(tmp_path / name, records)
    assert (tmp_path / "a" / "00000.tar").read_bytes() == (tmp_path / "b" / "00000.tar").read_bytes()
