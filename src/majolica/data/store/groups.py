"""Members of a tar are put together by sample and become rows of the index; what is not used is counted by reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from majolica.data.store.caption_text import is_blank_utf8, json_caption
from majolica.data.store.naming import IMAGE, META, OTHER_IMAGE, TEXTS, UNREAD, shorter_keys, understand
from majolica.data.store.tar import Member

REASONS = (
    "no caption",
    "no picture",
    "member twice",
    "not a plain file",
    "member too large",
    "members too far apart",
    "picture in a format that is not read",
    "named as a part of another sample",
)
"""Why samples or members are left out, in the order of the .mjidx header."""
# Offsets of text and metadata are relative to the picture, because members of one sample are neighbours.
ROW = np.dtype(
    [
        ("image", "<u8"),
        ("image_size", "<u4"),
        ("text", "<i4"),
        ("text_size", "<u4"),
        ("json", "<i4"),
        ("json_size", "<u4"),
    ]
)
IndexRow = tuple[int, ...]
# The most bytes of a member of each kind, so that reading a hostile member does not exhaust the memory.
_MOST = dict.fromkeys((IMAGE, OTHER_IMAGE, UNREAD), 1 << 30) | {META: 1 << 24} | dict.fromkeys(TEXTS, 1 << 20)
_FAR = 2**31
_WORDS, _BLANK, _NOTHING, _UNKNOWN = "words", "blank", "nothing", "unknown"
_ALL = {"image", "text", "json"}


@dataclass(slots=True)
class _Part:
    """A member of a sample, and whether it says words, blanks or nothing; for a .json this may not be known yet."""

    member: Member
    says: str


class Samples:
    """Everything that a tar holds, sorted into samples by the rules of `majolica.data.store.naming`."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._plain = _Groups(self._says)
        self._dotted = _Groups(self._says)
        self._aside: list[tuple[str, str, _Part]] = []
        """Members whose key ends at the last dot. Only at the end of the tar is it known whether that key counts."""
        self._shown = {False: False, True: False}
        """Whether a caption has been seen so far, among plain names (False) and among dotted names (True)."""

    @property
    def pictures(self) -> int:
        """Number of pictures in the common formats whose names follow WebDataset's rule."""
        return self._plain.pictures

    @property
    def captions(self) -> int:
        """Number of captions, with blank ones; it is complete after `finish`."""
        return self._plain.captions + self._dotted.captions

    def add(self, member: Member) -> None:
        """Add a member to its sample."""
        name = understand(member.name)
        if name is None:
            return
        part = _Part(member, _NOTHING)
        if is_usable(name.kind, member):
            if name.kind in TEXTS:
                # It is read now, because its bytes follow its header, and going back later is slow in a remote tar.
                part.says = self._says(name.kind, member)
                self._shown[name.dotted] = True
            elif name.kind == META:
                look = not self._shown[name.dotted] and not (name.dotted and self._hidden(name.key))
                part.says = self._says(META, member) if look else _UNKNOWN
                self._shown[name.dotted] |= part.says in (_WORDS, _BLANK)
        if name.dotted:
            self._aside.append((name.key, name.kind, part))
        else:
            self._plain.add(name.key, name.kind, part)

    def finish(self, damage: str) -> tuple[list[IndexRow], dict[str, int]]:
        """At the end of the tar, return the rows in the order of their pictures, and how many were left out by reason.

        `damage` says why the tar is cut, if it is.
        """
        keys = {key for key, _, _ in self._aside}
        hidden: dict[str, set[str]] = {}
        for key, kind, part in self._aside:
            if self._hidden(key) or any(short in keys for short in shorter_keys(key)):
                hidden.setdefault(key, set()).add(kind)
            else:
                self._dotted.add(key, kind, part)
        rows = sorted(self._plain.finish(damage) + self._dotted.finish(damage))
        reasons = self._plain.reasons + self._dotted.reasons
        reasons[REASONS[-1]] += sum(_is_pair(kinds) for kinds in hidden.values())
        return rows, {reason: reasons[reason] for reason in REASONS if reasons[reason]}

    def _hidden(self, key: str) -> bool:
        return any(short in self._plain for short in shorter_keys(key))

    def _says(self, kind: str, member: Member) -> str:
        def read(size: int) -> bytes:
            self._file.seek(member.offset)
            return self._file.read(size)

        if kind in TEXTS:
            return _BLANK if is_blank_utf8(read, member.size) else _WORDS
        caption = json_caption(read(member.size))
        return _NOTHING if caption is None else _WORDS if caption else _BLANK


class _Groups:
    """Samples by key. Of a sample that has all possible parts, only its row and its key stay in memory."""

    def __init__(self, says: Callable[[str, Member], str]) -> None:
        self.pictures = 0
        self.captions = 0
        self.reasons: Counter[str] = Counter()
        self._says = says
        self._rows: list[IndexRow] = []
        self._open: dict[str, dict[str, _Part]] = {}
        self._done: set[str] = set()
        self._last = ""
        self._interleaved = False

    def __contains__(self, key: str) -> bool:
        return key in self._open or key in self._done

    def add(self, key: str, kind: str, part: _Part) -> None:
        """Add a member to the sample with its key. Of several members with the same name, the first counts."""
        if key != self._last:
            last = self._open.get(self._last, {})
            if IMAGE in last and _parts(last) == _ALL:
                self._close(self._last)
            self._interleaved |= key in self._open
            self._last = key
        group = self._open.setdefault(key, {}) if key not in self._done else {}
        if kind in group or key in self._done:
            self.reasons["member twice"] += 1
        elif not is_usable(kind, part.member):
            self.reasons["member too large" if part.member.plain else "not a plain file"] += 1
        else:
            group[kind] = part
            self.pictures += kind == IMAGE
            self.captions += kind in TEXTS

    def finish(self, damage: str) -> list[IndexRow]:
        """Return the rows. If the tar is cut, samples that may lack members are left out."""
        usual = self._usual()
        for key in list(self._open):
            doubtful = damage and (key == self._last or self._interleaved)
            if doubtful and not _parts(self._open[key]) >= usual:
                del self._open[key]
            else:
                self._close(key)
        return self._rows

    def _usual(self) -> set[str]:
        """Return which parts the samples of this tar have, judged by all samples but the last."""
        others = [_parts(group) for key, group in self._open.items() if key != self._last]
        return _ALL if self._done or not others else set().union(*others)

    def _close(self, key: str) -> None:
        group = self._open.pop(key)
        self._done.add(key)
        caption = self._caption(group)
        image = group.get(IMAGE) or group.get(OTHER_IMAGE)
        if image is None or caption is None:
            if group:  # otherwise its members have been counted already
                unread = "no picture" if UNREAD not in group else "picture in a format that is not read"
                self.reasons["no caption" if image else unread] += 1
            return
        row = _row(image.member, caption, group.get(META))
        if all(-_FAR <= row[place] < _FAR for place in (2, 4)):
            self._rows.append(row)
        else:
            self.reasons["members too far apart"] += 1

    def _caption(self, group: dict[str, _Part]) -> tuple[Member, bool] | None:
        """Return the first member with words, or a blank one if none has words; and whether it is blank."""
        texts = [group[kind] for kind in TEXTS if kind in group]
        worded = next((part for part in texts if part.says == _WORDS), None)
        if worded:
            return worded.member, False
        meta = group.get(META)
        if meta and meta.says == _UNKNOWN:
            meta.says = self._says(META, meta.member)
        if meta and meta.says in (_WORDS, _BLANK):
            self.captions += not texts
            return meta.member, meta.says == _BLANK
        return (texts[0].member, True) if texts else None


def is_usable(kind: str, member: Member) -> bool:
    """Return whether a member can be used as the kind that its name says: it is a plain file and not too large."""
    return member.plain and member.size <= _MOST[kind]


def _parts(group: dict[str, _Part]) -> set[str]:
    return {"text" if kind in TEXTS else "image" if kind == OTHER_IMAGE else kind for kind in group} & _ALL


def _is_pair(kinds: set[str]) -> bool:
    return bool(kinds & {IMAGE, OTHER_IMAGE}) and bool(kinds & set(TEXTS))


def _row(image: Member, caption: tuple[Member, bool], meta: _Part | None) -> IndexRow:
    text, blank = caption
    where = (0, 0) if blank else (text.offset - image.offset, text.size)
    about = (meta.member.offset - image.offset, meta.member.size) if meta else (0, 0)
    return image.offset, image.size, *where, *about
