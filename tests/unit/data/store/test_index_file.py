"""The index beside a tar: made again where it is old or damaged, and right while others write."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from majolica.data.pictures.faults import BadSample
from majolica.data.store import index
from majolica.data.store.groups import ROW
from majolica.data.store.index import open_index, scan_tar
from majolica.data.store.pack import write_shards
from majolica.data.store.record import Record
from majolica.data.store.shards import ShardSet
from processes import ENVIRONMENT
from tars import tar


def test_an_index_that_is_garbage_or_old_is_made_again(tmp_path: Path) -> None:
    write_shards(tmp_path, (Record(b"p%d" % i, "jpg", f"c{i}", {}) for i in range(5)))
    path = tmp_path / "00000.mjidx"
    good = (open_index(tmp_path / "00000.tar").rows.copy(), path.read_bytes())
    stat = (tmp_path / "00000.tar").stat()
    for bad in (
        b"",
        b"v1.2 5\n",
        os.urandom(300),
        good[1][:-1],
        good[1] + b"x",
        b"MJLIDX01" + good[1][8:],
        good[1][:88],
    ):
        path.write_bytes(bad)
        assert np.array_equal(open_index(tmp_path / "00000.tar").rows, good[0])
        assert path.read_bytes() == good[1]
    os.utime(tmp_path / "00000.tar", ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    assert np.array_equal(open_index(tmp_path / "00000.tar").rows, good[0])
    assert path.read_bytes() != good[1]


def test_an_index_whose_numbers_lie(tmp_path: Path) -> None:
    """Right size, right times, wrong places: unreadable samples, not a crash."""
    write_shards(tmp_path, (Record(b"p%d" % i, "jpg", f"c{i}", {}) for i in range(3)))
    open_index(tmp_path / "00000.tar")
    path = tmp_path / "00000.mjidx"
    head = path.read_bytes()[: -3 * ROW.itemsize]
    path.write_bytes(head + b"\xff" * (3 * ROW.itemsize))
    shards = ShardSet(tmp_path)
    for i in range(3):
        with pytest.raises(BadSample, match=r"cannot be read|shrunk"):
            shards.read(i)


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    """A folder in the place of the index: read all the same, nothing left behind."""
    write_shards(tmp_path, (Record(b"p%d" % i, "jpg", f"c{i}", {}) for i in range(5)))
    (tmp_path / "00000.mjidx").mkdir()
    assert len(open_index(tmp_path / "00000.tar").rows) == 5
    assert ShardSet(tmp_path).read(4).caption == "c4"
    assert not [p for p in tmp_path.iterdir() if p.name.endswith(".tmp")]


def test_replaced_while_read(tmp_path: Path) -> None:
    write_shards(tmp_path, (Record(b"old%d" % i, "jpg", f"c{i}", {}) for i in range(5)))
    shards = ShardSet(tmp_path)
    assert shards.read(0).image == b"old0"
    other = tmp_path / "other"
    write_shards(other, (Record(b"new%d" % i, "jpg", "x" * (i + 1), {}) for i in range(5)))
    (other / "00000.tar").replace(tmp_path / "00000.tar")
    assert shards.read(4).image == b"old4"  # what was opened stays open
    assert ShardSet(tmp_path).read(4).caption == "xxxxx"


def test_written_to_while_indexed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tar(tmp_path / "a.tar", [("a.jpg", b"p"), ("a.txt", b"c")])

    def slow(tar_path: Path) -> index.Index:
        found = scan_tar(tar_path)
        tar(path, [("a.jpg", b"p"), ("a.txt", b"c"), ("b.jpg", b"p"), ("b.txt", b"c")])
        os.utime(path, ns=(1, 1))
        return found

    monkeypatch.setattr(index, "scan_tar", slow)
    open_index(path)
    assert "written to while" in caplog.text and not path.with_suffix(".mjidx").exists()
    monkeypatch.undo()
    assert len(open_index(path).rows) == 2


def test_several_processes_index_at_once(tmp_path: Path) -> None:
    write_shards(tmp_path, (Record(b"p" * i, "jpg", f"c{i}", {"n": i}) for i in range(300)), per_shard=100)
    code = (
        "import sys; from pathlib import Path; from majolica.data.store.index import open_index\n"
        "for _ in range(20):\n"
        "    for tar in sorted(Path(sys.argv[1]).glob('*.tar')):\n"
        "        tar.with_suffix('.mjidx').unlink(missing_ok=True)\n"
        "        rows = open_index(tar).rows\n"
        "        assert len(rows) == 100 and int(rows['image_size'][7]) % 100 == 7, rows[:3]\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    running = [subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.PIPE) for _ in range(3)]
    for process in running:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors.decode()
    assert {p.suffix for p in tmp_path.iterdir()} == {".tar", ".mjidx"}
    assert ShardSet(tmp_path).read(299).caption == "c299"
