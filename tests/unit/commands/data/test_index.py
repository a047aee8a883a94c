"""`majolica data index` from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from majolica import cli
from majolica.data.store import index as data_index
from tars import tar


def tar_of(path: Path, names: list[str]) -> None:
    tar(path, [(name, b'"{}"') for name in names])


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    tar_of(tmp_path / "good/a.tar", ["0.jpg", "0.txt", "1.jpg", "1.txt"])
    tar_of(tmp_path / "good/b.tar", ["0.jpg", "0.txt", "1.jpg"])
    return tmp_path


def test_what_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):  # by a scan, then from the saved index
        assert cli.main(["data", "index", "good"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines == [
            "good/a.tar  2 samples",
            "good/b.tar  1 sample; left out 1 x no caption",
            "2 tars, 3 samples",
        ]
    assert cli.main(["data", "index", "good", "--strict"]) == 2
    assert "1 of 2 tars has faults: good/b.tar" in capsys.readouterr().err


def test_folders_tars_and_patterns(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tar_of(here / "deep/er/c.tar", ["0.jpg", "0.txt"])
    assert cli.main(["data", "index", "good/a.tar", "good", "deep/**/*.tar"]) == 0
    assert "3 tars, 4 samples" in capsys.readouterr().out
    assert cli.main(["data", "index", "deep"]) == 2 and cli.main(["data", "index", "deep/er", "--workers", "2"]) == 0
    assert "give 'deep/**/*.tar', in quotes" not in capsys.readouterr().out


def test_unusable_tars_are_named_and_the_others_indexed(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "good/empty.tar").write_bytes(b"")
    (here / "good/html.tar").write_bytes(b"<html>" * 200)
    tar_of(here / "good/mute.tar", ["0.jpg", "1.jpg"])
    tar_of(here / "good/other.tar", ["0.npy"])
    (here / "good/z.tar").mkdir()
    whole = (here / "good/a.tar").read_bytes()
    (here / "good/cut.tar").write_bytes(whole[:2100])
    assert cli.main(["data", "index", "good", "--workers", "2"]) == 2
    said = capsys.readouterr()
    lines = dict(line.split(None, 1) for line in said.out.splitlines())
    assert lines["good/empty.tar"] == "unusable: it is empty (0 bytes)"
    assert lines["good/html.tar"] == "unusable: it is no tar"
    assert "2 pictures but no captions" in lines["good/mute.tar"]
    assert lines["good/other.tar"] == "unusable: it holds no pictures"
    assert lines["good/z.tar"] == "is passed over: it is a folder, not a file"
    assert (
        lines["good/cut.tar"].startswith("1 samples; damaged: it ends early") or "ends early" in lines["good/cut.tar"]
    )
    assert lines["good/a.tar"] == "2 samples"
    assert said.err.splitlines()[-1].startswith("majolica: ") and "tars hold nothing that can be used" in said.err
    assert (here / "good/a.mjidx").exists() and (here / "good/b.mjidx").exists()


def test_rebuild(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli.main(["data", "index", "good", "--workers", "1"]) == 0
    scans: list[Path] = []
    real = data_index.scan_tar
    monkeypatch.setattr(data_index, "scan_tar", lambda path: scans.append(path) or real(path))
    assert cli.main(["data", "index", "good", "--workers", "1"]) == 0 and not scans
    assert cli.main(["data", "index", "good", "--workers", "1", "--rebuild"]) == 0 and len(scans) == 2


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("", "say what to index"),
        ("nowhere", "there is no folder and no tar called nowhere: name a folder of tars"),
        ("x*.tar", "no tar called x*.tar: name a folder of tars, a tar, or a pattern that finds some, in quotes"),
        (".", "subfolders"),
    ],
)
def test_mistakes(capsys: pytest.CaptureFixture[str], words: str, says: str) -> None:
    assert cli.main(["data", "index", *words.split()]) == 2
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1


def test_an_empty_folder(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "none").mkdir()
    assert cli.main(["data", "index", "none"]) == 2
    assert "none holds no .tar files" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_to(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The index is made all the same; it is only not kept."""
    from majolica.errors import UserError

    def refuse(path: Path, data: bytes) -> None:
        raise UserError("No space left on device")

    monkeypatch.setattr(data_index, "write_atomic", refuse)
    assert cli.main(["data", "index", "good", "--workers", "1"]) == 0
    assert not list(here.rglob("*.mjidx"))
