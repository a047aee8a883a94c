"""Labelled pictures in tars: the shards of this system, and those of WebDataset with .cls members.

They are listed here and not by `ShardSet`, because that leaves out pictures without captions, and does not know .cls.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from majolica.data.pictures.faults import BadSample
from majolica.data.store.caption_text import json_mapping
from majolica.data.store.contents import list_contents
from majolica.data.store.naming import IMAGE, META, OTHER_IMAGE, understand
from majolica.data.store.tar import DamagedTar, Member, read_members
from majolica.errors import UserError
from majolica.eval.labelled.listed import LABELS, Label, Listed, read_label
from majolica.eval.labelled.pictures import Encoded, Skipped

_CLASS = ".cls"
_LONGEST_CLASS = 1 << 12


@dataclass
class _Sample:
    """The members of a sample."""

    image: Member | None = None
    other: Member | None = None
    cls: Member | None = None
    meta: Member | None = None


@dataclass(frozen=True)
class _Place:
    """Where the file of a picture lies."""

    tar: Path
    offset: int
    size: int


@dataclass
class _Found:
    """What has been listed so far."""

    ids: list[str] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    places: list[_Place] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


def list_tars(folder: Path) -> Listed:
    """List the pictures in all tars of `folder`, in the order of names and of members.

    The label of x.jpg is x.cls; otherwise a field of x.json, the first of `LABELS` that is there, but `names` (the
    things that a picture of `majolica data` shows) before all others. A picture without a label, or with several, is
    left out. Raises UserError for a folder without tars, and for one without pictures.
    """
    found = _Found()
    for name, size, _ in list_contents(folder).tars:
        _list_tar(folder / name, size, found)
    if not found.ids:
        raise UserError(_nothing(folder, found))
    return Listed(found.ids, found.labels, lambda some: _load([found.places[i] for i in some]), found.skipped)


def _nothing(folder: Path, found: _Found) -> str:
    if not found.skipped:
        return f"there are no pictures in the tars of {folder}: samples need a .jpg, .png or .webp"
    first = found.skipped[0]
    return (
        f"no picture in {folder} has a label that can be used ({first.id}: {first.reason}): put the label into a member"
        f" .cls, or into a field of the .json ({', '.join(LABELS)})"
    )


def _list_tar(path: Path, size: int, found: _Found) -> None:
    samples: dict[str, _Sample] = {}
    with path.open("rb") as file:
        try:
            for member in read_members(file, size):
                _add(samples, member)
        except DamagedTar as damage:  # what stands before the damage is whole
            found.skipped.append(Skipped(path.name, f"the rest of the tar is left out, because {damage}"))
        for key, sample in samples.items():
            image, where = sample.image or sample.other, f"{path.name}/{key.lstrip('/')}"
            if image is None:
                continue
            try:
                label = _label(file, sample)
            except ValueError as error:
                found.skipped.append(Skipped(where, str(error)))
                continue
            found.ids.append(where)
            found.labels.append(label)
            found.places.append(_Place(path, image.offset, image.size))


def _add(samples: dict[str, _Sample], member: Member) -> None:
    """Put a member into its sample; of several members of one kind the first counts."""
    if not member.plain:
        return
    folder, _, rest = member.name.removeprefix("./").rpartition("/")
    stem, dot, extension = rest.partition(".")
    if f"{dot}{extension.lower()}" == _CLASS:
        sample = samples.setdefault(f"{folder}/{stem}", _Sample())
        sample.cls = sample.cls or member
        return
    name = understand(member.name)
    if name is None or name.kind not in (IMAGE, OTHER_IMAGE, META):
        return
    sample = samples.setdefault(name.key, _Sample())
    if name.kind == IMAGE:
        sample.image = sample.image or member
    elif name.kind == OTHER_IMAGE:
        sample.other = sample.other or member
    else:
        sample.meta = sample.meta or member


def _label(file: BinaryIO, sample: _Sample) -> Label:
    """Return the label of a sample. Raises ValueError, with the reason, if it has none that can be used."""
    if sample.cls is not None:
        file.seek(sample.cls.offset)
        text = str(read_label(file.read(min(sample.cls.size, _LONGEST_CLASS))))
        return int(text) if text.isdecimal() else text
    if sample.meta is None:
        raise ValueError("it has no label")
    file.seek(sample.meta.offset)
    known = json_mapping(file.read(sample.meta.size)) or {}
    return read_label(next((known[name] for name in ("names", *LABELS) if known.get(name) is not None), None))


def _load(places: Sequence[_Place]) -> Iterator[Encoded]:
    opened: Path | None = None
    handle = -1
    try:
        for place in places:
            try:
                if place.tar != opened:
                    if handle >= 0:
                        os.close(handle)
                    handle, opened = -1, None
                    handle, opened = os.open(place.tar, os.O_RDONLY), place.tar
                data = os.pread(handle, place.size, place.offset)
                yield data if len(data) == place.size else BadSample("the tar has shrunk")
            except OSError as error:
                yield BadSample(error.strerror or "the tar cannot be read")
    finally:
        if handle >= 0:
            os.close(handle)
