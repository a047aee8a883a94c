"""Downloading the weights of Inception into the cache."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from majolica.errors import UserError
from majolica.features import inception_download
from majolica.features.inception_download import cache_folder, fetch_inception
from majolica.features.inception_weights import CANONICAL

CONTENT = bytes(range(256)) * 8192  # two chunks


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands for the servers; its file is published under two addresses."""
    folder = tmp_path / "server"
    folder.mkdir()
    urls = tuple((folder / name).as_uri() for name in ("first.pth", "second.pth"))
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    monkeypatch.setattr(inception_download, "URLS", urls)
    monkeypatch.setattr(inception_download, "CANONICAL", {"first.pth": sha256, "second.pth": sha256})
    monkeypatch.setenv("MAJOLICA_CACHE", str(tmp_path / "cache"))
    return folder


def test_it_is_downloaded_once(server: Path, tmp_path: Path) -> None:
    (server / "first.pth").write_bytes(CONTENT)
    steps: list[tuple[int, int]] = []
    path = fetch_inception(lambda done, total: steps.append((done, total)))
    assert path == tmp_path / "cache" / "first.pth" and path.read_bytes() == CONTENT
    assert steps == [(1 << 20, 2 << 20), (2 << 20, 2 << 20)]
    (server / "first.pth").unlink()
    assert fetch_inception(lambda done, total: pytest.fail("nothing is to be downloaded")) == path


def test_the_next_address_is_tried(server: Path) -> None:
    (server / "second.pth").write_bytes(CONTENT)
    assert fetch_inception().name == "second.pth"


def test_a_damaged_file_of_the_cache_is_replaced(server: Path) -> None:
    (server / "first.pth").write_bytes(CONTENT)
    fetch_inception().write_bytes(CONTENT[:-1])
    assert fetch_inception().read_bytes() == CONTENT


def test_without_a_network_the_error_says_what_to_do(server: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="name it as the weights, or put it into") as caught:
        fetch_inception()
    assert all(url in str(caught.value) for url in inception_download.URLS)
    assert str(tmp_path / "cache") in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_with_another_checksum_does_not_enter_the_cache(server: Path, tmp_path: Path) -> None:
    (server / "first.pth").write_bytes(b"<html>moved</html>")
    with pytest.raises(UserError, match="its SHA-256 is"):
        fetch_inception()
    assert list((tmp_path / "cache").iterdir()) == []


def test_the_cache_has_its_usual_place_unless_told_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("MAJOLICA_CACHE", raising=False)
    assert cache_folder() == tmp_path / ".cache" / "majolica"


def test_every_published_file_has_a_checksum() -> None:
    assert {url.rsplit("/", 1)[1] for url in inception_download.URLS} == set(CANONICAL)
