"""Listing the members of a tar, header by header, without trusting anything in it.

Nothing is extracted, no link is followed, and no header makes us read or allocate more than `LONGEST` bytes. Python's
tarfile is not used, because it reads as much as a PAX or long-name header claims to hold, and takes a damaged header in
the middle for the end. Source: POSIX.1-2001 pax, and the GNU tar manual, "Basic Tar Format".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

BLOCK = 512
LONGEST = 1 << 20
"""The most bytes of a PAX header or of a long name."""
NEAR = 8 * BLOCK
"""Bytes in front of a member's own that hold its header, and a longer name or PAX records if it has them."""
_TAIL = 64 << 20
_ZEROS = bytes(BLOCK)
_FILES = (b"0", b"\0", b"7")
# Links, devices, folders and pipes have no bytes of their own, whatever their size says.
_BODILESS = (b"1", b"2", b"3", b"4", b"5", b"6")


class DamagedTar(Exception):
    """From here on the tar is damaged, cut, or no tar at all; the message says which."""


@dataclass(frozen=True, slots=True)
class Member:
    """One entry of a tar."""

    name: str
    """The name as it is written; it must not be opened as a path. Bytes that are not UTF-8 become surrogates."""
    offset: int
    """Where its bytes begin in the tar."""
    size: int
    """Number of bytes; all of them lie within the tar."""
    plain: bool
    """Whether it is a file whose bytes are stored as they are, not a link, device, folder or sparse file."""


def read_members(file: BinaryIO, size: int) -> Iterator[Member]:
    """Yield the members of a tar of `size` bytes, in their order. Raises Damaged after the last whole member."""
    place = 0
    special: dict[str, str] = {}
    while True:
        header = _read(file, place, BLOCK, size)
        if header == _ZEROS:
            _check_tail(file, place, size)
            return
        length = _check(header, place)
        kind, data = header[156:157], place + BLOCK
        if kind in (b"L", b"K", b"x", b"X"):
            special |= _is_special(kind, _read(file, data, _read_small(length, place), size))
        elif kind != b"g":
            data = _after_map(file, data, size) if kind == b"S" and header[482] else data
            length = 0 if kind in _BODILESS else _pax_size(special, place) or length
            name = special.get("path") or _name(header)
            if data + length > size:
                raise DamagedTar(f"it ends early, in {name[-80:]!r}")
            plain = kind in _FILES and "sparse" not in special and not name.endswith("/")
            yield Member(name, data, length, plain)
            special = {}
        place = data + -(-length // BLOCK) * BLOCK


def name_at(read: Callable[[int, int], bytes], offset: int) -> str:
    """The name of the member whose bytes begin at `offset`, given `read(offset, size)`; "" where no header is there.

    Only the `NEAR` bytes in front are read, so that one name out of a large tar costs one small request.
    """
    start = max(0, offset - NEAR)
    near = read(start, offset - start)
    headers = [near[place : place + BLOCK] for place in range(0, len(near), BLOCK)]
    if not headers or not _is_header(headers[-1]):
        return ""
    for place in range(len(headers) - 2):
        head, behind = headers[place], b"".join(headers[place + 1 : -1])
        special = head[156:157] in (b"L", b"x") and _is_header(head, len(behind))
        if special and (path := _is_special(head[156:157], behind[: _octal(head[124:136])]).get("path")):
            return path
    return _name(headers[-1])


def is_header_of(block: bytes, size: int) -> bool:
    """Return whether `block`, which lies in front of a member, is a header that gives this size.

    A header may say 0 if the size is in PAX records.
    """
    try:
        return len(block) == BLOCK and _check(block, 0) in (size, 0)
    except (DamagedTar, IndexError):
        return False


def _is_header(block: bytes, length: int | None = None) -> bool:
    """Whether a block is a header; with `length`, one of a member that takes so many bytes, filled up to blocks."""
    try:
        size = _check(block, 0)
    except (DamagedTar, IndexError):
        return False
    return len(block) == BLOCK and (length is None or -(-size // BLOCK) * BLOCK == length)


def _read(file: BinaryIO, offset: int, length: int, size: int) -> bytes:
    # A whole tar closes with a block of zeros, so asking for a header past the end means that it was cut.
    if offset + length <= size:
        file.seek(offset)
        if len(data := file.read(length)) == length:
            return data
    raise DamagedTar(f"it ends early, at byte {min(offset, size):,}" if size else "it is empty (0 bytes)")


def _check(header: bytes, place: int) -> int:
    """Return the size that a header gives, after its checksum is verified; historic tars sum signed bytes."""
    said = _octal(header[148:156])
    summed = header[:148] + header[156:]
    total = sum(summed) + 8 * 32
    if said not in (total, total - 256 * sum(byte > 127 for byte in summed)):
        raise _no_header(header, place)
    field = header[124:136]
    if field[0] in (0x80, 0xFF):  # GNU's binary numbers, for 8 GiB and more
        return _read_positive(int.from_bytes(field[1:], "big", signed=True) if field[0] == 0x80 else -1, place)
    return _read_positive(_octal(field), place)


def _no_header(header: bytes, place: int) -> DamagedTar:
    if place:
        return DamagedTar(f"it is damaged at byte {place:,}")
    zipped = {b"\x1f\x8b": "gzip", b"\x28\xb5": "zstd", b"BZ": "bzip2", b"\xfd7": "xz"}.get(header[:2])
    return DamagedTar(
        f"it is compressed ({zipped}): unpack it, for samples are read by offset" if zipped else "it is no tar"
    )


def _octal(field: bytes) -> int | None:
    try:
        return int(field.split(b"\0")[0].strip() or b"0", 8)
    except ValueError:
        return None


def _pax_size(special: dict[str, str], place: int) -> int:
    """Return a size that is too large for the old header; 0 if there is none."""
    size = special.get("size", "0")
    return _read_positive(int(size) if size.isascii() and size.isdigit() and len(size) < 20 else None, place)


def _read_positive(size: int | None, place: int) -> int:
    if size is None or size < 0:
        raise DamagedTar(f"it is damaged at byte {place:,}: a size is negative or no number")
    return size


def _read_small(length: int, place: int) -> int:
    if length > LONGEST:
        raise DamagedTar(f"it is damaged at byte {place:,}: a name of {length:,} bytes")
    return length


def _name(header: bytes) -> str:
    name = _text(header[:100])
    prefix = _text(header[345:500]) if header[257:263] == b"ustar\0" else ""  # GNU keeps other things there
    return f"{prefix}/{name}" if prefix else name


def _text(field: bytes) -> str:
    return field.split(b"\0")[0].decode("utf-8", "surrogateescape")


def _is_special(kind: bytes, data: bytes) -> dict[str, str]:
    """Return what a special header says about the next member: its path, its size, or that it is sparse."""
    if kind == b"K":
        return {}
    if kind == b"L":
        return {"path": _text(data)}
    found = {}
    while data:
        length, _, record = data.partition(b" ")
        if not length.isdigit() or len(length) > 7 or not len(length) + 2 < int(length) <= len(data):
            break  # padding, or nonsense that the next member does without
        key, _, value = record[: int(length) - len(length) - 2].partition(b"=")
        data = data[int(length) :]
        if key in (b"path", b"size"):
            found[key.decode()] = value.decode("utf-8", "surrogateescape")
        elif key.startswith(b"GNU.sparse"):
            found["sparse"] = "yes"
    return found


def _after_map(file: BinaryIO, data: int, size: int) -> int:
    """Return where the bytes of an old GNU sparse file begin, which is after further blocks of its map."""
    while True:
        block = _read(file, data, BLOCK, size)
        data += BLOCK
        if not block[504]:
            return data


def _check_tail(file: BinaryIO, place: int, size: int) -> None:
    """Check that only zeros follow the end. A hole that a crash left looks like the end, but something follows it."""
    file.seek(place)
    for _ in range(0, min(size - place, _TAIL), 1 << 20):
        if file.read(1 << 20).strip(b"\0"):
            raise DamagedTar(f"there is more behind its end at byte {place:,}: a hole, or several tars in one file")
