"""Headers of tars by hand: what other programs write is read, what an attacker writes costs nothing."""

from __future__ import annotations

import io
import os
import tarfile
import tracemalloc
from pathlib import Path

import pytest

from majolica.data.store.tar import DamagedTar, Member, name_at, read_members

FORMATS = (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)


def read(data: bytes) -> list[Member]:
    return list(read_members(io.BytesIO(data), len(data)))


def read_until_damage(data: bytes) -> tuple[list[Member], str]:
    found: list[Member] = []
    try:
        for member in read_members(io.BytesIO(data), len(data)):
            found.append(member)
    except DamagedTar as damage:
        return found, str(damage)
    return found, ""


def make(names: list[str], format: int = tarfile.USTAR_FORMAT, **fields: object) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format) as archive:
        for i, name in enumerate(names):
            info = tarfile.TarInfo(name)
            for field, value in fields.items():
                setattr(info, field, value)
            body = b"" if "type" in fields else bytes([65 + i]) * (100 * i + 1)
            info.size = len(body)
            archive.addfile(info, io.BytesIO(body))
    return out.getvalue()


def patched(data: bytes, at: int, field: bytes) -> bytes:
    """`data` with a field of the header at 0 replaced, and a checksum that says it is right."""
    header = bytearray(data[:512])
    header[at : at + len(field)] = field
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + data[512:]


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", ["a.jpg", "d/" * 20 + "b.jpg", "ü日本.png", "long/" * 60 + "x.jpg"])
def test_the_name_of_one_member_is_read_from_the_bytes_in_front_of_it(format: int, name: str) -> None:
    if format == tarfile.USTAR_FORMAT and len(name) > 250:
        pytest.skip("USTAR has no such names")
    data = make([f"{i}/{name}" for i in range(3)], format)
    for member in read(data):
        assert name_at(lambda offset, size: data[offset : offset + size], member.offset) == member.name
    assert name_at(lambda offset, size: data[offset : offset + size], read(data)[1].offset + 512) == ""
    assert name_at(lambda offset, size: data[offset : offset + size], 0) == ""


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", ["a.jpg", "d/" * 20 + "b.jpg", "ü日本.png", "long/" * 60 + "x.jpg"])
def test_same_members_as_tarfile(format: int, name: str) -> None:
    if format == tarfile.USTAR_FORMAT and len(name) > 250:
        pytest.skip("USTAR has no such names")
    data = make([f"{i}/{name}" for i in range(3)], format)
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        expected = [(m.name, m.offset_data, m.size) for m in archive]
    found = read(data)
    assert [(m.name, m.offset, m.size) for m in found] == expected
    assert all(m.plain for m in found)
    assert [data[m.offset : m.offset + m.size] for m in found] == [b"A", b"B" * 101, b"C" * 201]


def test_what_gnu_tar_writes(tmp_path: Path) -> None:
    for name in ("a.txt", "n" * 150 + ".txt"):
        (tmp_path / name).write_text(name)
    (tmp_path / "link.txt").symlink_to("/etc/passwd")
    os.link(tmp_path / "a.txt", tmp_path / "hard.txt")
    with (tmp_path / "sparse.txt").open("wb") as file:
        file.truncate(50_000_000)
        file.seek(20_000_000)
        file.write(b"here")
    for options in ("--format=gnu", "--format=posix", "--format=posix --sparse-version=0.1", "--format=v7"):
        names = "a.txt hard.txt link.txt sparse.txt" + ("" if "v7" in options else f" {'n' * 150}.txt")
        sparse = "" if "v7" in options else "-S"
        assert os.system(f"cd {tmp_path} && tar c {options} {sparse} -f x.tar {names}") == 0
        data = (tmp_path / "x.tar").read_bytes()
        found = {m.name.rpartition("/")[2]: m for m in read(data)}
        assert data[found["a.txt"].offset :][: found["a.txt"].size] == b"a.txt"
        assert not found["link.txt"].plain and not found["hard.txt"].plain
        if sparse:
            assert not any(m.plain for name, m in found.items() if "sparse" in name)
            assert len(data) < 1_000_000
            long = found["n" * 150 + ".txt"]
            assert long.plain and data[long.offset :][: long.size] == b"n" * 150 + b".txt"


@pytest.mark.parametrize("kind", [b"1", b"2", b"3", b"4", b"5", b"6"])
def test_links_devices_and_folders_have_no_bytes(kind: bytes) -> None:
    """Whatever size such a member claims, the next header follows at once."""
    data = make(["a.jpg"], type=kind)[:512]
    data = patched(data, 124, b"00000001000\0") + make(["b.jpg"])
    found = read(data)
    assert [(m.name.strip("/"), m.plain, m.size) for m in found] == [("a.jpg", False, 0), ("b.jpg", True, 1)]


def test_bombs_cost_no_memory() -> None:
    one = make(["a.jpg"])
    body = bytes(30_000_000)
    for kind in (b"x", b"L", b"K"):
        for size in (b"03777777777\0", b"\x80" + (2**62).to_bytes(11, "big"), b"\xff" * 12, b"-0000000001\0"):
            bomb = one[:1024] + patched(patched(one, 156, kind), 124, size) + body
            file = io.BytesIO(bomb)  # shares the bytes until one of the two is written to
            tracemalloc.start()
            found: list[Member] = []
            with pytest.raises(DamagedTar, match=r"damaged|negative"):
                found.extend(read_members(file, len(bomb)))
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert peak < 3_000_000


@pytest.mark.parametrize("size", [b"\x80" + (2**62).to_bytes(11, "big"), b"77777777777\0"])
def test_a_huge_size_ends_the_tar(size: bytes) -> None:
    one = make(["a.jpg"])
    found, why = read_until_damage(one[:1024] + patched(make(["b.jpg"]), 124, size))
    assert [m.name for m in found] == ["a.jpg"] and why == "it ends early, in 'b.jpg'"


@pytest.mark.parametrize("size", [b"\xff" * 12, b"-0000001000\0"])
def test_a_negative_size_is_damage_and_no_endless_loop(size: bytes) -> None:
    found, why = read_until_damage(make(["a.jpg"])[:1024] + patched(make(["b.jpg"]), 124, size))
    assert [m.name for m in found] == ["a.jpg"] and "a size is negative" in why


def test_pax_headers_that_make_no_sense() -> None:
    """Wrong lengths, no digits, a size that is no number: never a crash."""
    for record in (b"9999999 path=x\n", b"x path=y\n", b"0 path=y\n", b"8" * 400 + b" a=b\n", b"", b"\xff" * 30):
        head = patched(make(["p"]), 156, b"x")
        head = patched(head, 124, b"%011o\0" % len(record))[:512]
        data = head + record + bytes(-len(record) % 512) + make(["a.jpg"])
        assert [m.name for m in read(data)] == ["a.jpg"]
    record = b"12 size=ten\n"
    data = patched(patched(make(["p"]), 156, b"x"), 124, b"%011o\0" % len(record))[:512]
    assert "damaged" in read_until_damage(data + record + bytes(500) + make(["a.jpg"]))[1]


def test_every_flipped_byte_of_a_header_is_noticed_or_harmless() -> None:
    data = make(["a.jpg", "b.jpg"])
    for place in range(1024, 1536):
        broken = bytearray(data)
        broken[place] ^= 0x15
        found, why = read_until_damage(bytes(broken))
        if place == 1024 + 155:  # the padding behind the checksum
            assert found == read(data)
        else:
            assert [m.name for m in found] == ["a.jpg"] and why, place


def test_ends() -> None:
    data = make(["a.jpg", "b.jpg"])
    assert read_until_damage(b"")[1] == "it is empty (0 bytes)"
    assert read_until_damage(b"hello" * 300)[1] == "it is no tar"
    assert "compressed (gzip)" in read_until_damage(b"\x1f\x8b" + bytes(range(1, 200)) * 4)[1]
    assert read_until_damage(data[:2048])[1] == "it ends early, at byte 2,048"
    assert read_until_damage(data[:2560])[1] == ""  # one block of zeros is an end
    assert read_until_damage(bytes(10_240)) == ([], "")


def test_a_hole_is_not_an_end() -> None:
    """A crash can leave zeros where a member was: what follows is lost, and that is said."""
    data = make(["a.jpg", "b.jpg", "c.jpg"])
    found, why = read_until_damage(data[:1024] + bytes(1024) + data[2048:])
    assert [m.name for m in found] == ["a.jpg"] and "behind its end at byte 1,024" in why
