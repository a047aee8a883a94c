"""Whatever the terminal's width and encoding, help ends, and words and labels come through."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from majolica import cli
from majolica.commands import terminal
from majolica.errors import UserError

SOURCE = Path(cli.__file__).parents[1]


def environment(**settings: str) -> dict[str, str]:
    left_out = ("LC_ALL", "LC_CTYPE", "LANG", "PYTHONUTF8", "PYTHONIOENCODING", "COLUMNS")
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    return {**kept, "PYTHONPATH": str(SOURCE), **settings}


@pytest.mark.parametrize(
    ("said", "width"),
    [("3", "40"), ("0", "80"), ("-5", "80"), ("wide", "80"), ("1000000000", "400"), ("", None), ("100", "100")],
)
def test_columns_are_kept_where_help_can_be_laid_out(
    monkeypatch: pytest.MonkeyPatch, said: str, width: str | None
) -> None:
    monkeypatch.setattr(os, "get_terminal_size", lambda *_: os.terminal_size((80, 24)))
    monkeypatch.setenv("COLUMNS", said)
    terminal.keep_width_sane()
    assert (os.environ["COLUMNS"] or None) == width


def test_a_terminal_that_is_narrow_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "get_terminal_size", lambda *_: os.terminal_size((7, 24)))
    monkeypatch.delenv("COLUMNS", raising=False)
    terminal.keep_width_sane()
    assert os.environ["COLUMNS"] == "40"


def test_help_in_three_columns_ends() -> None:
    command = [sys.executable, "-m", "majolica", "generate", "--help"]
    done = subprocess.run(command, capture_output=True, timeout=60, check=True, env=environment(COLUMNS="3"))
    assert b"usage: majolica generate" in done.stdout


def test_texts_are_utf8_whatever_the_locale() -> None:
    assert terminal.read_words(("größe", "fox"), "label") == ("größe", "fox")
    assert terminal.read_words((os.fsdecode("größe".encode()),), "label") == ("größe",)
    for word in (b"gr\xf6\xdfe".decode("utf-8", "surrogateescape"), "\ud800"):
        with pytest.raises(UserError, match=r"the label .* is not UTF-8") as found:
            terminal.read_words((word,), "label")
        str(found.value).encode("ascii")


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [("ascii", "größe 狐 \\ud800".encode()), ("latin-1", "größe \\u72d0 \\ud800".encode("latin-1")),
     ("utf-8", "größe 狐 \\ud800".encode())],
)  # fmt: skip
def test_what_an_encoding_lacks_is_no_error(monkeypatch: pytest.MonkeyPatch, encoding: str, expected: bytes) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
    terminal.print_any_text()
    print("größe 狐 \ud800", "f\udcf6.png", end="", flush=True)
    assert raw.getvalue() == expected + b" f\xf6.png"


WORDS = """
import sys, os
from types import ModuleType
from pathlib import Path
import torch
class Pipeline:
    resolution, fit = 32, "crop"
    @classmethod
    def load(cls, run): return cls()
    def embed_labels(self, labels, templates=None):
        print([label.encode() for label in labels])
        return torch.eye(len(labels))
    def embed_images(self, images):
        return torch.eye(2)[:1]
    def compare(self, images, labels):
        return images @ labels.T
    def embed_texts(self, texts):
        print([text.encode() for text in texts])
        return torch.eye(len(texts))
    def paint(self, prompts, *rest, **more):
        print([prompt.encode() for prompt in prompts])
        return torch.zeros(len(prompts), 3, 32, 32, dtype=torch.uint8)
module = ModuleType("majolica.sampling.pipeline")
module.Pipeline = Pipeline
sys.modules["majolica.sampling.pipeline"] = module
from majolica.cli import main
sys.exit(main())
"""


@pytest.mark.parametrize(
    "words",
    [
        ["classify", "Füchse.png", "--labels", "Füchse", "b"],
        ["embed", "--texts", "Füchse", "b", "--out", "ü.npz"],
    ],
)
def test_umlauts_in_a_locale_of_ascii(tmp_path: Path, words: list[str]) -> None:
    from PIL import Image

    Image.new("RGB", (32, 32)).save(tmp_path / "Füchse.png")
    done = subprocess.run(
        [sys.executable, "-c", WORDS, *words],
        capture_output=True,
        check=False,
        cwd=tmp_path,
        env=environment(LC_ALL="C", PYTHONUTF8="0"),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == str(["Füchse".encode(), b"b"]).encode()
    told = done.stdout.decode()
    assert "100.0%  Füchse" in told if words[0] == "classify" else "ü.npz: " in told
    assert words[0] == "classify" or (tmp_path / "ü.npz").is_file()


@pytest.mark.parametrize(
    "words", [["classify", "x.png", "--labels", b"F\xfcchse"], ["embed", "--texts", b"F\xfc"], ["generate", b"F\xfc"]]
)
def test_texts_that_are_not_utf8_are_refused(tmp_path: Path, words: list[str | bytes]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "majolica", *words],
        capture_output=True,
        check=False,
        cwd=tmp_path,
        env=environment(LC_ALL="C.UTF-8"),
    )
    assert done.returncode == 2
    assert done.stderr.startswith(b"majolica: ") and done.stderr.count(b"\n") == 1
    assert b"is not UTF-8" in done.stderr
