"""Every kind of bad tar in every command that reads tars: what each says, and that nothing half is left."""

from __future__ import annotations

import io
import json
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from majolica import cli
from majolica.config.data import DataConfig
from majolica.data.inspect import measure
from majolica.data.loading.loader import Loader, LoaderSizes
from majolica.errors import UserError
from majolica.plurals import counted, plural
from majolica.text.tokenizer import Tokenizer
from picture_files import encoded

GOOD = 12
Members = list[tuple[str, bytes]]


def picture(i: int) -> bytes:
    return encoded(Image.linear_gradient("L").resize((40, 40)).rotate(30 * i).convert("RGB"))


def sample(name: str, caption: bytes, i: int = 0) -> Members:
    return [(f"{name}.jpg", picture(i)), (f"{name}.txt", caption), (f"{name}.json", b'{"n": 1}')]


def good() -> Members:
    return [member for i in range(GOOD) for member in sample(f"{i:03d}", f"a red apple, number {i}".encode(), i)]


def bomb() -> bytes:
    """A PNG of 900 million pixels in a few hundred bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    head = (30_000).to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0"
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(99_999)))


def pack(members: Members, links: tuple[tuple[str, bytes], ...] = ()) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        for name, kind in links:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
    return out.getvalue()


def without_captions() -> Members:
    return [member for member in good() if not member[0].endswith(".txt")]


LINKS = (("x.jpg", tarfile.SYMTYPE), ("x.txt", tarfile.LNKTYPE), ("y.jpg", tarfile.LNKTYPE))
# Case: the tar; what index, inspect and tokenizer say ("majolica: ..." where they must refuse), what the loader counts.
CASES: dict[str, tuple[Callable[[], bytes], str, str, str, str]] = {
    "cut in a member": (
        lambda: pack(good())[: 512 * 30],
        "damaged: it ends early",
        "1 of 1 tar ends early",
        "captions",
        "",
    ),
    "..": (
        lambda: pack(good() + sample("../../evil", b"evil words")),
        "13 samples",
        "13 were read",
        "13 captions",
        "",
    ),
    "links": (
        lambda: pack([*good(), ("y.txt", b"words")], LINKS),
        "12 samples; left out 1 x no picture, 3 x not a plain file",
        "3 x not a plain file",
        "12 captions",
        "",
    ),
    "bomb": (
        lambda: pack([*good(), ("z.png", bomb()), ("z.txt", b"a bomb")]),
        "13 samples",
        "1 x picture is too large",
        "13 captions",
        "picture is too large",
    ),
    "0 bytes": (
        lambda: b"",
        "majolica: 1 of 1 tar holds nothing that can be used",
        "majolica: no tar in set holds a whole picture",
        "majolica: no tar in set holds a whole picture",
        "majolica: no tar in set holds a whole picture",
    ),
    "no caption at all": (
        lambda: pack(without_captions()),
        "majolica: 1 of 1 tar holds nothing that can be used",
        "majolica: set/a.tar holds 12 pictures but no captions",
        "majolica: set/a.tar holds 12 pictures but no captions",
        "majolica: set/a.tar holds 12 pictures but no captions",
    ),
    "a caption missing": (
        lambda: pack([*good(), ("z.jpg", picture(3))]),
        "12 samples; left out 1 x no caption",
        "the index left out 1 x no caption",
        "12 captions",
        "",
    ),
    "a caption that is not UTF-8": (
        lambda: pack(good() + sample("z", b"caf\xe9 au lait")),
        "13 samples",
        "1 x caption is not UTF-8",
        "left out: 1 caption that is not UTF-8",
        "caption is not UTF-8",
    ),
    "only captions that are not UTF-8": (
        lambda: pack([member for i in range(3) for member in sample(str(i), b"caf\xe9 %d" % i)]),
        "3 samples",
        "majolica: none of 3 samples in set can be read (3 x caption is not UTF-8)",
        "majolica: cannot train a vocabulary: no captions",
        "majolica: 16 samples in a row of set cannot be read (caption is not UTF-8)",
    ),
    "NUL": (lambda: pack(good() + sample("z", b"a\0b\0\0c")), "13 samples", "13 were read", "13 captions", ""),
    "100 kB": (lambda: pack(good() + sample("z", b"word " * 20_000)), "13 samples", "13 were read", "13 captions", ""),
    "keys twice": (
        lambda: pack(good() + sample("003", b"another") + sample("003", b"a third")),
        "12 samples; left out 6 x member twice",
        "the index left out 6 x member twice",
        "12 captions",
        "",
    ),
    "a cut picture": (
        lambda: pack([*good(), ("z.jpg", picture(1)[:200]), ("z.txt", b"words")]),
        "13 samples",
        "1 x picture cannot be decoded",
        "13 captions",
        "picture cannot be decoded",
    ),
    "metadata that is no JSON": (
        lambda: pack([*good(), ("z.jpg", picture(1)), ("z.txt", b"words"), ("z.json", b"[" * 100_000)]),
        "13 samples",
        "samples that are used without a part: 1 x metadata that is no JSON mapping",
        "13 captions",
        "",
    ),
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    measure._open_sets.cache_clear()  # the folder of every test is called the same
    (tmp_path / "set").mkdir()
    return tmp_path


def told(capsys: pytest.CaptureFixture[str], expected: str, *words: str) -> bool:
    """Run a command that must say `expected`; whether it must have refused, and did."""
    refused = expected.startswith("majolica: ")
    assert cli.main(["data", *words]) == (2 if refused else 0)
    said = capsys.readouterr()
    assert expected in (said.err.splitlines()[-1] if refused else said.out)
    assert "Traceback" not in said.out + said.err
    return refused


@pytest.mark.parametrize("case", CASES)
def test_every_command_answers(case: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make, index, inspect, tokenizer, _ = CASES[case]
    (here / "set/a.tar").write_bytes(make())
    left = {"set"}
    told(capsys, index, "index", "set", "--workers", "1")
    if not told(capsys, inspect, "inspect", "set", "--workers", "1", "--pictures", "3"):
        left |= {"inspect.html", "inspect.json"}
        assert json.loads((here / "inspect.json").read_text())["tars"]["count"] == 1
    if not told(capsys, tokenizer, "tokenizer", "set", "--vocab", "290"):
        left |= {"tokenizer.model", "tokenizer.report.json"}
        assert Tokenizer(here / "tokenizer.model").encode(["a red apple"], 30).shape == (1, 30)
    assert {path.name for path in here.iterdir()} == left  # nothing half, and nothing of "../../evil" outside
    assert not list(here.parent.glob("evil*"))


@pytest.mark.parametrize("case", CASES)
def test_the_loader_answers(case: str, here: Path) -> None:
    make, *_, counted = CASES[case]
    (here / "set/a.tar").write_bytes(make())
    config = DataConfig(shards="set", threads=1, bad_share=1.0)
    if counted.startswith("majolica: "):
        with pytest.raises(UserError) as refused, Loader(config, 4, LoaderSizes(8), 0) as loader:
            next(loader)
        assert counted.removeprefix("majolica: ") in str(refused.value) and "\n" not in str(refused.value)
        return
    with Loader(config, 13, LoaderSizes(8), 0) as loader:
        next(loader)
        assert set(loader.faults) == ({counted} if counted else set())


def test_cut_in_every_member(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Inspect, tokenizer and loader use the whole samples before the cut, wherever it is."""
    whole = pack(good()[:12])  # four samples
    with tarfile.open(fileobj=io.BytesIO(whole)) as tar:
        places = [(member.offset_data + member.size // 2, i // 3) for i, member in enumerate(tar)]
    for cut, samples in places:
        (here / "set/a.tar").write_bytes(whole[:cut])
        if samples == 0:
            told(capsys, "majolica: no tar in set holds a whole picture", "inspect", "set", "--workers", "1")
            continue
        read = f"{samples} {plural(samples, 'was', 'were')} read"
        told(capsys, read, "inspect", "set", "--workers", "1", "--pictures", "1")
        (here / "tokenizer.model").unlink(missing_ok=True)
        told(capsys, f"from {samples} of {counted(samples, 'caption')}", "tokenizer", "set", "--vocab", "280")
        with Loader(DataConfig(shards="set", threads=1), samples, LoaderSizes(8), 0) as loader:
            assert len(set(next(loader).captions)) == samples
