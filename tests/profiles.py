"""ICC profiles written by hand, for Little CMS itself makes only sRGB, LAB and XYZ.

Source: ICC.1:2001-04 (version 2).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

# Red, green and blue as XYZ, adapted to D50.
ADOBE = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
PROPHOTO = ((0.79767, 0.28804, 0.0), (0.13519, 0.71188, 0.0), (0.03134, 0.00009, 0.82491))
SRGB = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410))
D50 = (0.9642, 1.0, 0.8249)


def adobe_rgb() -> bytes:
    """Adobe RGB (1998)."""
    return matrix(ADOBE, 563 / 256)


def prophoto() -> bytes:
    """ProPhoto RGB, its curve a plain power."""
    return matrix(PROPHOTO, 1.8)


def other_srgb() -> bytes:
    """sRGB as another maker would write it: the same colours, other bytes."""
    levels = (i / 1023 for i in range(1024))
    return matrix(SRGB, [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in levels])


def matrix(primaries: Sequence[Sequence[float]], curve: float | Sequence[float]) -> bytes:
    """An RGB profile of three primaries and one curve: an exponent, or values in [0, 1]."""
    names = zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries, strict=True)
    tags = {name: _xyz(value) for name, value in names}
    return _profile(b"RGB ", b"XYZ ", {**tags, **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), _curve(curve))})


def grey(curve: float) -> bytes:
    """A profile for one channel."""
    return _profile(b"GRAY", b"XYZ ", {b"kTRC": _curve(curve)})


def inks(colour: Callable[..., tuple[float, float, float]]) -> bytes:
    """A CMYK profile: `colour(c, m, y, k)` gives L*, a*, b* for inks of 0 or 1, linear in between."""
    corners = [(c, m, y, k) for c in (0, 1) for m in (0, 1) for y in (0, 1) for k in (0, 1)]
    labs = (colour(*corner) for corner in corners)
    table = b"".join(bytes((round(l * 255 / 100), round(a + 128), round(b + 128))) for l, a, b in labs)  # noqa: E741
    unit = struct.pack(">9i", *(65536 * (i % 4 == 0) for i in range(9)))
    lut = b"mft1\0\0\0\0" + bytes((4, 3, 2, 0)) + unit + bytes(range(256)) * 4 + table + bytes(range(256)) * 3
    return _profile(b"CMYK", b"Lab ", {b"A2B0": lut}, b"prtr")


def _profile(space: bytes, connection: bytes, tags: dict[bytes, bytes], kind: bytes = b"mntr") -> bytes:
    text = b"test\0"
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(78),
        b"cprt": b"text\0\0\0\0" + text,
        b"wtpt": _xyz(D50),
        **tags,
    }
    directory, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        directory += name + struct.pack(">II", start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    head = struct.pack(">I4sI4s4s4s", start + len(body), b"\0" * 4, 0x02100000, kind, space, connection)
    head += bytes(12) + b"acsp" + bytes(28) + struct.pack(">3i", *(round(value * 65536) for value in D50))
    return head.ljust(128, b"\0") + directory + body


def _xyz(value: Sequence[float]) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(v * 65536) for v in value))


def _curve(curve: float | Sequence[float]) -> bytes:
    if isinstance(curve, int | float):
        return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(curve * 256))
    return b"curv\0\0\0\0" + struct.pack(f">I{len(curve)}H", len(curve), *(round(v * 65535) for v in curve))
