"""Tars that mean harm or are none: nothing is followed, unpacked or believed, and never a crash."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from majolica.data.pictures.decode import decode
from majolica.data.pictures.faults import BadSample
from majolica.data.store.index import open_index
from majolica.data.store.shards import ShardSet
from majolica.errors import UserError
from tars import samples, tar


def odd(archive: tarfile.TarFile, name: str, kind: bytes, target: str = "/etc/passwd") -> None:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    archive.addfile(info)


@pytest.mark.parametrize("name", ["../../evil", "/tmp/evil", "..", "a/../../b", "./x", "\\evil", "c:/evil"])
def test_names_are_not_paths(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    name = f"{name}/0" if name == ".." else name
    path = tar(folder / "a.tar", [(f"{name}.jpg", b"picture"), (f"{name}.txt", b"words")])
    assert samples(path) == [(b"picture", "words")]
    assert {p.name for p in tmp_path.rglob("*")} <= {"in", "a.tar", "a.mjidx", ".catalogue.json"}


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
@pytest.mark.parametrize("which", ["b.jpg", "b.txt"])
def test_links_and_devices_are_never_followed(tmp_path: Path, kind: bytes, which: str) -> None:
    path = tmp_path / "a.tar"
    other = "b.txt" if which == "b.jpg" else "b.jpg"
    with tarfile.open(path, "w") as archive:
        for name in ("a.jpg", "a.txt", other, "c.jpg", "c.txt"):
            info = tarfile.TarInfo(name)
            info.size = 1
            archive.addfile(info, io.BytesIO(name[:1].encode()))
            if name == other:
                odd(archive, which, kind, "a.jpg")
    assert samples(path) == [(b"a", "a"), (b"c", "c")]
    reasons = open_index(path).reasons
    assert reasons.pop("not a plain file", 0) == (kind != tarfile.DIRTYPE)
    assert reasons == {"no picture" if which == "b.jpg" else "no caption": 1}


def test_sparse_and_oversized_members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "b.jpg").open("wb") as file:
        file.truncate(3_000_000_000)
    for name in ("a.jpg", "a.txt", "b.txt"):
        (tmp_path / name).write_text(name)
    assert os.system(f"cd {tmp_path} && tar c -S -f a.tar a.jpg a.txt b.jpg b.txt && rm *.jpg *.txt") == 0
    assert samples(tmp_path / "a.tar") == [(b"a.jpg", "a.txt")]
    assert open_index(tmp_path / "a.tar").reasons == {"no picture": 1, "not a plain file": 1}
    big = tar(
        tmp_path / "a.tar",
        [("a.jpg", b"p"), ("a.txt", b"x" * (1 << 20)), ("b.jpg", b"q"), ("b.txt", b"x" * (1 << 20) + b"x")],
    )
    assert [caption[:2] for _, caption in samples(big)] == ["xx"]
    assert open_index(big).reasons == {"no caption": 1, "member too large": 1}


def test_a_picture_bomb_is_refused_by_its_header(tmp_path: Path) -> None:
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    size = (9_000).to_bytes(4, "big")
    bomb = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", size + size + b"\x08\x02\0\0\0")
        + chunk(b"IDAT", zlib.compress(bytes(9999)))
    )
    record = ShardSet(tar(tmp_path / "a.tar", [("a.png", bomb), ("a.txt", b"c")]).parent).read(0)
    with pytest.raises(BadSample, match="too large"):
        decode(record.image)


def test_empty_garbage_and_compressed_tars(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole = tar(tmp_path / "whole.tar", [("a.jpg", b"p"), ("a.txt", b"c")]).read_bytes()
    (tmp_path / "whole.tar").unlink()
    import gzip

    for content, why in (
        (b"", "it is empty (0 bytes)"),
        (b"\x00", "it ends early"),
        (os.urandom(5000), "it is no tar"),
        (b"<html>not found</html>" * 100, "it is no tar"),
        (gzip.compress(whole + os.urandom(2000)), "compressed (gzip)"),
    ):
        (tmp_path / "a.tar").write_bytes(content)
        caplog.clear()
        assert not len(open_index(tmp_path / "a.tar").rows)
        assert len(caplog.records) == 1 and why in caplog.text and "\n" not in caplog.records[0].getMessage()
        with pytest.raises(UserError, match=r"no tar in .* holds a whole picture"):
            ShardSet(tmp_path)
    (tmp_path / "a.tar").unlink()
    (tmp_path / "a.tar").mkdir()
    with pytest.raises(UserError, match=r"cannot read .*a\.tar: it is a folder"):
        open_index(tmp_path / "a.tar")
    with pytest.raises(UserError, match=r"cannot read .*b\.tar: No such file"):
        open_index(tmp_path / "b.tar")
