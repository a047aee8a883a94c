"""Reading the metadata before the pixels of a JPEG, segment by segment, without decoding anything.

Source: ITU-T T.81, annex B; ICC.1:2022, B.4 for profiles that are spread over several segments.
"""

from __future__ import annotations

from dataclasses import dataclass

from majolica.data.pictures import faults
from majolica.data.pictures.faults import BadPicture

MOST_SCANS = 100
"""The most scans of a JPEG. Progressive JPEGs have about ten. A hostile file could have very many, because each scan
takes as little as 100 bytes and decodes the whole picture again."""
_START_OF_SCAN, _END = 0xDA, 0xD9
_APP1, _APP2 = 0xE1, 0xE2
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_PROFILE = b"ICC_PROFILE\0"
_EXIF = b"Exif\0\0"
_XMP = b"http://ns.adobe.com/xap/1.0/\0"


@dataclass(frozen=True, slots=True)
class JpegHead:
    """The metadata of a JPEG; a part that the file does not have is empty."""

    exif: bytes = b""
    """The EXIF data: the TIFF structure after the six bytes that name it."""
    xmp: bytes = b""
    profile: bytes = b""
    """The ICC profile; if segments are missing, what there is of it."""
    progressive: bool = False
    many_scans: bool = False
    """Whether more than one scan may follow, because it is progressive or has one component after the other."""


def scan_jpeg(data: bytes) -> JpegHead:
    """Read the segments of `data`, which begins with FF D8, up to its first scan. Never raises."""
    exif = xmp = b""
    parts: list[tuple[int, bytes]] = []
    progressive, components, many = False, 0, False
    place, end = 2, len(data)
    while 0 <= place < end - 3:
        marker = data[place + 1]
        if data[place] != 0xFF:  # stray bytes between segments
            place = data.find(b"\xff", place)
            continue
        if marker == 0xFF:
            place += 1
            continue
        size = data[place + 2] << 8 | data[place + 3]
        if marker == _APP1:
            body = data[place + 4 : place + 2 + size]
            if not exif and body.startswith(_EXIF):
                exif = body[len(_EXIF) :]
            elif not xmp and body.startswith(_XMP):
                xmp = body[len(_XMP) :]
        elif marker == _APP2:
            if size > 16 and data.startswith(_PROFILE, place + 4):
                parts.append((data[place + 16], data[place + 18 : place + 2 + size]))
        elif marker in _FRAMES:
            progressive, components = marker in _PROGRESSIVE, data[place + 9] if place + 9 < end else 0
        elif marker == _START_OF_SCAN:
            many = progressive or (place + 4 < end and data[place + 4] < components)
            break
        elif marker == _END:
            break
        elif marker in (0x00, 0x01) or 0xD0 <= marker <= 0xD8:  # these markers have no length
            place += 2
            continue
        place += 2 + size
    profile = b"".join(part for _, part in sorted(parts, key=lambda part: part[0])) if parts else b""
    return JpegHead(exif, xmp, profile, progressive, many)


def check_scans(data: bytes | bytearray, head: JpegHead) -> None:
    """Raise BadPicture for a JPEG with so many scans that it would be decoded too often."""
    # In the data of a scan every byte FF is followed by 00, so these two bytes begin a scan, or are in metadata.
    if head.many_scans and data.count(b"\xff\xda") > MOST_SCANS:
        raise BadPicture(faults.DAMAGED, f"more than {MOST_SCANS} scans")
