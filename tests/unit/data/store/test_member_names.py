"""Names of members that are long, odd or there twice."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from majolica.data.store.index import open_index
from tars import samples, tar


def test_of_members_with_one_name_the_first_counts(tmp_path: Path) -> None:
    near = [("a.jpg", b"1"), ("a.jpeg", b"2"), ("a.txt", b"one"), ("a.txt", b"two"), ("b.jpg", b"3"), ("b.txt", b"b")]
    path = tar(tmp_path / "a.tar", near)
    assert samples(path) == [(b"1", "one"), (b"3", "b")]
    assert open_index(path).reasons == {"member twice": 2}
    far = [*near, ("a.jpg", b"4"), ("a.txt", b"four"), ("a.json", b"{}")]
    assert samples(tar(path, far)) == [(b"1", "one"), (b"3", "b")]
    full = [(f"{i % 2}.{e}", b"{}" if e == "json" else b"%d" % i) for i in range(4) for e in ("jpg", "txt", "json")]
    assert samples(tar(path, full)) == [(b"0", "0"), (b"1", "1")]
    assert open_index(path).reasons == {"member twice": 6}


@pytest.mark.parametrize("format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names(tmp_path: Path, format: int) -> None:
    """Names that agree in their first 100 bytes are still told apart."""
    long = "folder/" * 30 + "x" * 90
    members = [(f"{long}{i}.{kind}", f"{i}".encode()) for i in range(3) for kind in ("jpg", "txt")]
    assert samples(tar(tmp_path / "a.tar", members, format)) == [(b"%d" % i, f"{i}") for i in range(3)]


def test_uppercase_extensions_and_odd_names(tmp_path: Path) -> None:
    members = [("A.JPG", b"1"), ("A.TXT", b"one"), ("B.Jpeg", b"2"), ("B.Json", b"{}"), ("B.tXt", b"two")]
    members += [("._C.jpg", b"mac"), ("C.jpg", b"3"), ("C.txt", b"three"), ("C", b""), (".txt", b""), ("d/", b"")]
    assert samples(tar(tmp_path / "a.tar", members)) == [(b"1", "one"), (b"2", "two"), (b"3", "three")]
