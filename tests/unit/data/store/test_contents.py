"""What is passed over in a folder of shards is named, with what to do about it."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from majolica import cli
from majolica.data.pictures.faults import BadSample
from majolica.data.store.catalogue import open_catalogue
from majolica.data.store.contents import compressed_notices, list_contents
from majolica.data.store.shards import ShardSet
from majolica.errors import UserError

Write = Callable[..., Path]


def test_what_is_no_file(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(10)
    (folder / "x.tar").mkdir()
    (folder / "dangling.tar").symlink_to("nowhere")
    (folder / "linked.tar").symlink_to("00000.tar")
    os.mkfifo(folder / "pipe.tar")
    monkeypatch.chdir(folder)  # the path of a socket is short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("sock.tar")
        shards = ShardSet(folder)
    assert [tar.name for tar in shards.tars] == ["00000.tar", "linked.tar"]
    assert shards.notices == (
        f"{folder}/dangling.tar is passed over: it is a link that leads nowhere",
        f"{folder}/pipe.tar is passed over: it is a named pipe, not a file",
        f"{folder}/sock.tar is passed over: it is a socket, not a file",
        f"{folder}/x.tar is passed over: it is a folder, not a file",
    )


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("a.tar.gz", "gunzip {}/*.tar.gz"),
        ("a.tgz", "gunzip {}/*.tgz"),
        ("A.TAR.GZ", "gunzip {}/*.TAR.GZ"),
        ("a.tar.zst", "zstd -d --rm {}/*.tar.zst"),
        ("a.tar.xz", "unxz {}/*.tar.xz"),
        ("a.tbz2", "bunzip2 {}/*.tbz2"),
    ],
)
def test_compressed_tars(write: Write, tmp_path: Path, name: str, command: str) -> None:
    folder = write(10)
    (folder / name).write_bytes(b"")
    (notice,) = list_contents(folder).notices
    assert f"compressed tars (1: {name})" in notice and command.format(folder) in notice
    (tmp_path / "only").mkdir()
    (tmp_path / "only" / name).write_bytes(b"")
    with pytest.raises(UserError) as refused:
        list_contents(tmp_path / "only")
    assert command.format(tmp_path / "only") in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ([], "majolica data shard PICTURES"),
        (["a.jpg", "a.txt"], "but pictures: make shards of them with `majolica data shard"),
        (["part.parquet"], "majolica data fetch --input"),
        (["train/00000.tar"], r"did you mean [^ ]*/train\?"),
        (["train/00000.tar", "heldout/00000.tar"], r"did you mean [^ ]*/heldout or [^ ]*/train\?"),
        ([f"{i}/0.tar" for i in range(9)], r"did you mean [^ ]*/0 or [^ ]*/1 or [^ ]*/2 or [^ ]*/3 or \.\.\.\?"),
        (["00000.TAR"], "names of tars end in .tar"),
    ],
)
def test_a_folder_without_tars(tmp_path: Path, names: list[str], says: str) -> None:
    for name in names:
        (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / name).write_bytes(b"")
    (tmp_path / "set").mkdir(exist_ok=True)
    with pytest.raises(UserError, match=r"no \.tar files.*" + says.replace("?", r"\?")) as refused:
        ShardSet(tmp_path / "set")
    assert "openmoji" not in str(refused.value)


def test_several_kinds_in_one_line(tmp_path: Path) -> None:
    for name in ("b.tgz", "a.tar.zst", "c.tgz"):
        (tmp_path / name).write_bytes(b"")
    (notice,) = compressed_notices("set", os.listdir(tmp_path))
    assert "(3: a.tar.zst, b.tgz, c.tgz)" in notice
    assert notice.endswith("unpack them with `gunzip set/*.tgz` and `zstd -d --rm set/*.tar.zst`")


def test_no_folder(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(b"")
    with pytest.raises(UserError, match=r"a\.tar is a file: give the folder"):
        ShardSet(tmp_path / "a.tar")
    with pytest.raises(UserError, match="there is no folder"):
        ShardSet(tmp_path / "nowhere")
    with pytest.raises(UserError, match="no folder of shards is given"):
        ShardSet("")


def test_names_that_are_no_utf8(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write(10)
    os.rename(folder / "00000.tar", os.fsencode(folder) + b"/caf\xe9.tar")
    assert len(ShardSet(folder)) == 10 and len(ShardSet(folder).manifest) == 64
    assert cli.main(["data", "index", str(folder), "--workers", "1"]) == 0
    assert "caf\\udce9.tar  10 samples" in capsys.readouterr().out
    page = str(folder.parent / "page.html")
    assert cli.main(["data", "inspect", str(folder), "--workers", "1", "--out", page]) == 0


def test_a_tar_that_cannot_be_opened_any_more(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    """Closed to us after it was indexed: its samples cannot be read, which is counted; nothing else stops."""
    folder = write(50)
    shards = ShardSet(folder)
    (folder / "00001.tar").unlink()
    for read in (shards.read, shards.caption):
        with pytest.raises(BadSample, match="tar cannot be opened"):
            read(45)
    assert shards.caption(0) == "number 0"


def test_a_tar_that_cannot_be_read(
    write: Write, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One clear line from every verb, and the index of all others."""
    folder = write(50)
    real = Path.open

    def refuse(path: Path, *words: object, **others: object) -> object:
        if path.name == "00001.tar":
            raise PermissionError(13, "Permission denied")
        return real(path, *words, **others)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "open", refuse)
    for verb, options in (("inspect", ["--workers", "1"]), ("tokenizer", [])):
        assert cli.main(["data", verb, str(folder), *options]) == 2
        said = capsys.readouterr().err.splitlines()[-1]
        assert said.startswith("majolica: cannot read") and said.endswith("00001.tar: Permission denied")
    assert cli.main(["data", "index", str(folder), "--workers", "1"]) == 2
    assert "00001.tar  unusable: Permission denied" in capsys.readouterr().out
    assert (folder / "00000.mjidx").exists()


def test_more_tars_than_files_may_be_open(tmp_path: Path) -> None:
    """A folder's first look holds no index open, however many there are."""
    import resource

    from majolica.data.store.pack import write_shards
    from majolica.data.store.record import Record

    write_shards(tmp_path, (Record(b"p", "jpg", f"c{i}", {}) for i in range(120)), per_shard=1)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = len(os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 60, hard))
    try:
        known = open_catalogue(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert len(known.tars) == 120 and not known.held
