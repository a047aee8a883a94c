"""Keys with dots are samples of their own, and WebDataset's tars stay what they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from majolica.data.store.index import scan_tar
from majolica.data.store.naming import understand
from majolica.data.store.shards import ShardSet
from tars import tar

HIDDEN = "named as a part of another sample"


def tar_of(path: Path, names: list[str], **contents: bytes) -> Path:
    """A tar whose every member holds its own name, or what `contents` says for its extension."""
    return tar(path, [(name, contents.get(name.rpartition(".")[2], name.encode())) for name in names])


def pairs(path: Path) -> list[tuple[str, str]]:
    """Names of the pictures and captions that are used, in order."""
    path.with_suffix(".mjidx").unlink(missing_ok=True)
    shards = ShardSet(path.parent)
    return [(shards.read(i).image.decode(), shards.read(i).caption) for i in range(len(shards))]


def test_keys_with_dots(tmp_path: Path) -> None:
    names = ["Mt. Fuji.jpg", "Mt. Fuji.txt", "v1.0/a.b.c.PNG", "v1.0/a.b.c.txt", "St. Ives.json", "St. Ives.jpg"]
    path = tar_of(tmp_path / "a.tar", names, json=b'{"caption": "in json"}')
    assert pairs(path) == [
        ("Mt. Fuji.jpg", "Mt. Fuji.txt"),
        ("v1.0/a.b.c.PNG", "v1.0/a.b.c.txt"),
        ("St. Ives.jpg", "in json"),
    ]
    assert scan_tar(path).reasons == {}


def test_halves_with_dots_are_counted(tmp_path: Path) -> None:
    path = tar_of(tmp_path / "a.tar", ["0.jpg", "0.txt", "Mt. Fuji.jpg", "Dr. No.txt", "St. A.jpg", "St. A.jpeg"])
    assert pairs(path) == [("0.jpg", "0.txt")]
    assert scan_tar(path).reasons == {"no caption": 2, "no picture": 1, "member twice": 1}


@pytest.mark.parametrize("turned", [False, True])
def test_further_parts_of_a_sample_stay_parts(tmp_path: Path, turned: bool) -> None:
    """000.seg.png and 000.cls.txt belong to 000, wherever they stand."""
    names = ["000.cls.txt", "000.jpg", "000.seg.png", "000.txt", "001.jpg", "001.seg.png", "001.txt", "002.seg.png"]
    names += ["002.cls.txt", "002.txt"]
    path = tar_of(tmp_path / "a.tar", names[::-1] if turned else names)
    expected = [("000.jpg", "000.txt"), ("001.jpg", "001.txt")]
    assert pairs(path) == (expected[::-1] if turned else expected)
    assert scan_tar(path).reasons == {"no picture": 1}


def test_parts_of_a_sample_whose_key_has_dots(tmp_path: Path) -> None:
    path = tar_of(tmp_path / "a.tar", ["Dr. No.cls.txt", "Dr. No.jpg", "Dr. No.txt", "Dr. No.seg.png"])
    assert pairs(path) == [("Dr. No.jpg", "Dr. No.txt")] and scan_tar(path).reasons == {}


def test_a_pair_that_is_taken_for_parts_is_counted(tmp_path: Path) -> None:
    path = tar_of(tmp_path / "a.tar", ["a.jpg", "a.txt", "a.2.jpg", "a.2.txt", "a.3.jpg"])
    assert pairs(path) == [("a.jpg", "a.txt")] and scan_tar(path).reasons == {HIDDEN: 1}


def test_a_tar_of_further_parts_alone_stops_nobody(tmp_path: Path) -> None:
    tar_of(tmp_path / "masks.tar", ["000.seg.png", "001.seg.png"])
    path = tar_of(tmp_path / "pictures.tar", ["000.jpg", "000.txt"])
    assert pairs(path) == [("000.jpg", "000.txt")]
    assert scan_tar(tmp_path / "masks.tar").reasons == {"no caption": 2}


def test_a_cut_tar_of_keys_with_dots(tmp_path: Path) -> None:
    path = tar_of(tmp_path / "a.tar", [f"Mt. {i}.{kind}" for i in range(3) for kind in ("jpg", "txt")])
    path.write_bytes(path.read_bytes()[: 5 * 1024])
    assert pairs(path) == [("Mt. 0.jpg", "Mt. 0.txt"), ("Mt. 1.jpg", "Mt. 1.txt")]
    assert scan_tar(path).reasons == {} and scan_tar(path).truncated


@pytest.mark.parametrize(
    "kind", ["gif", "avif", "bmp", "jfif", "jpe", "tif", "tiff", "JPG", "WebP", "GIF", "Tiff", "ppm", "jp2"]
)
def test_kinds_of_pictures(tmp_path: Path, kind: str) -> None:
    assert pairs(tar_of(tmp_path / "a.tar", [f"0.{kind}", "0.txt"])) == [(f"0.{kind}", "0.txt")]


def test_the_common_format_is_preferred(tmp_path: Path) -> None:
    """A mask or depth map beside a picture is not the picture, whichever comes first."""
    path = tar_of(tmp_path / "a.tar", ["0.bmp", "0.jpg", "0.txt", "1.png", "1.tif", "1.txt", "1.json"], json=b"{}")
    assert pairs(path) == [("0.jpg", "0.txt"), ("1.png", "1.txt")] and scan_tar(path).reasons == {}


def test_pictures_that_nothing_here_reads_are_counted(tmp_path: Path) -> None:
    path = tar_of(tmp_path / "a.tar", ["0.heic", "0.txt", "1.svg", "2.jpg", "2.txt", "2.svg"])
    assert pairs(path) == [("2.jpg", "2.txt")]
    assert scan_tar(path).reasons == {"picture in a format that is not read": 2}


@pytest.mark.parametrize("name", ["._Mt. Fuji.jpg", ".hidden.jpg", "a", "a.npy", "a.b.npy", "d.jpg/", "a.", "."])
def test_names_that_are_nobodys_business(name: str) -> None:
    assert understand(name) is None


def test_a_name_of_a_million_dots_costs_nothing(tmp_path: Path) -> None:
    names = ["0.jpg", "0.txt", "a." * 130 + "jpg", "a." * 400_000 + "jpg", "b." * 100 + "jpg", "b." * 100 + "txt"]
    path = tar_of(tmp_path / "a.tar", names)
    assert pairs(path) == [("0.jpg", "0.txt"), ("b." * 100 + "jpg", "b." * 100 + "txt")]
