"""Reads the pictures and captions of MS-COCO (Lin et al., arXiv 1405.0312; Chen et al., arXiv 1504.00325)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from majolica.data.store.caption_text import is_blank
from majolica.errors import UserError, to_printable, unknown_name
from majolica.plurals import counted
from majolica.run.weights import digest

OFFICIAL = {"val2014": (40_504, 202_654), "val2017": (5_000, 25_014)}
"""The numbers of pictures and of captions of the published splits."""
_SHOWN = 5
"""Names and numbers that an error lists at most."""


@dataclass(frozen=True)
class CocoPicture:
    """A picture of COCO: its number, and the name of its file."""

    id: int
    file: str


@dataclass(frozen=True)
class CocoCaption:
    """A caption of COCO, and the number of the picture that it describes."""

    id: int
    picture: int
    text: str


@dataclass(frozen=True)
class Coco:
    """A split of COCO, as its annotations list it; whether the files are there is checked by `check_files`."""

    folder: Path
    """The folder that holds the pictures' folder and the folder `annotations`."""
    split: str
    pictures: tuple[CocoPicture, ...]
    captions: tuple[CocoCaption, ...]
    """The captions with words, as they are written but without space at both ends."""
    empty: int
    """How many captions have no words; they are left out."""
    sha256: str
    """Hash of the annotation file."""

    @property
    def is_official(self) -> bool:
        """Whether the split has as many pictures and captions as the published one."""
        return (len(self.pictures), len(self.captions) + self.empty) == OFFICIAL[self.split]

    @cached_property
    def picture_of(self) -> Mapping[int, CocoPicture]:
        """The pictures by their numbers."""
        return {picture.id: picture for picture in self.pictures}

    def path_of(self, picture: CocoPicture) -> Path:
        """Return where the file of a picture should lie."""
        return self.folder / self.split / picture.file


def read_coco(folder: Path, split: str = "val2014") -> Coco:
    """Read the annotations of a split of COCO below `folder`.

    The layout is that of the published archives: `folder/val2014/*.jpg` and
    `folder/annotations/captions_val2014.json`. Raises UserError for a layout or a file that is not so.
    """
    if split not in OFFICIAL:
        raise unknown_name("COCO split", split, OFFICIAL)
    path = folder / "annotations" / f"captions_{split}.json"
    if not path.is_file():
        raise UserError(f"there is no {to_printable(path)}: {_advise(folder, split)}")
    found = _parse(path)
    pictures = tuple(_picture(path, entry) for entry in _entries(path, found, "images"))
    captions = [_caption(path, entry) for entry in _entries(path, found, "annotations")]
    _check_unique(path, "image", [picture.id for picture in pictures])
    _check_unique(path, "caption", [caption.id for caption in captions])
    _check_pictures_known(path, captions, {picture.id for picture in pictures})
    kept = tuple(caption for caption in captions if not is_blank(caption.text))
    if not kept:
        raise UserError(f"{to_printable(path)} holds no caption with words: {_source(split)}")
    return Coco(folder, split, pictures, kept, len(captions) - len(kept), digest(path))


def check_files(coco: Coco, pictures: Sequence[CocoPicture] | None = None) -> None:
    """Raise UserError if the files of some of `pictures`, by default of all of the split, are missing.

    The folder is listed once; no picture is opened.
    """
    folder = coco.folder / coco.split
    try:
        present = {entry.name for entry in os.scandir(folder)}
    except OSError as error:
        raise UserError(f"cannot list {to_printable(folder)}: {_advise(coco.folder, coco.split)}") from error
    wanted = coco.pictures if pictures is None else pictures
    missing = sorted(picture.file for picture in wanted if picture.file not in present)
    if missing:
        raise UserError(
            f"{len(missing):,} of {counted(len(wanted), 'picture')} are missing from {to_printable(folder)}"
            f" ({_some(missing)}): unpack {coco.split}.zip there again; {_source(coco.split)}"
        )


def _parse(path: Path) -> Mapping[str, Any]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {to_printable(path)}: {error.strerror}") from error
    if content[:2] in (b"PK", b"\x1f\x8b"):
        raise UserError(f"{to_printable(path)} is an archive and not JSON: unpack it")
    try:
        # UTF-8 with or without a byte-order mark, UTF-16 and UTF-32 are told apart by their first bytes (RFC 4627).
        text = content.decode(json.detect_encoding(content))
        found = json.loads(text)
    except UnicodeDecodeError as error:
        raise UserError(
            f"{to_printable(path)} is not UTF-8 (byte {error.start:,}): use the published file, or save yours as UTF-8"
        ) from error
    except (ValueError, RecursionError) as error:
        if not text.rstrip().endswith("}"):
            raise UserError(
                f"{to_printable(path)} ends in the middle, after {len(content):,} bytes: unpack or fetch it again"
            ) from error
        raise UserError(f"{to_printable(path)} is not JSON ({' '.join(str(error).split())}): fetch it again") from error
    if not isinstance(found, dict):
        raise UserError(f"{to_printable(path)} holds no JSON object with images and annotations")
    return found


def _entries(path: Path, found: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    entries = found.get(name)
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        raise UserError(
            f"{to_printable(path)} has no list of {name}: it is not an annotation file of COCO's captions, which"
            " holds the lists images and annotations"
        )
    return entries


def _picture(path: Path, entry: Mapping[str, Any]) -> CocoPicture:
    number, file = entry.get("id"), entry.get("file_name")
    # A name with a folder in it could point anywhere on the disk.
    if not _is_whole(number) or not isinstance(file, str) or file != os.path.basename(file) or file in ("", ".", ".."):
        raise UserError(f"{to_printable(path)} has an image without a number and a plain file name: {_quote(entry)}")
    return CocoPicture(int(str(number)), file)


def _caption(path: Path, entry: Mapping[str, Any]) -> CocoCaption:
    number, picture, text = entry.get("id"), entry.get("image_id"), entry.get("caption")
    if not _is_whole(number) or not _is_whole(picture):
        raise UserError(f"{to_printable(path)} has an annotation without id and image_id: {_quote(entry)}")
    if not isinstance(text, str):
        raise UserError(
            f"annotation {number} of {to_printable(path)} has no caption: instances_*.json and person_keypoints_*.json"
            " are other files; the captions are in captions_*.json"
        )
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UserError(f"caption {number} of {to_printable(path)} holds half a character: {_quote(entry)}") from error
    return CocoCaption(int(str(number)), int(str(picture)), text.strip())


def _check_unique(path: Path, what: str, ids: Sequence[int]) -> None:
    seen: set[int] = set()
    twice = sorted({number for number in ids if number in seen or seen.add(number)})  # type: ignore[func-returns-value]
    if twice:
        raise UserError(
            f"{counted(len(twice), f'{what} id')} of {to_printable(path)} {'are' if len(twice) > 1 else 'is'} there"
            f" twice ({_some(twice)}): use the published file"
        )


def _check_pictures_known(path: Path, captions: Sequence[CocoCaption], known: set[int]) -> None:
    strays = [caption for caption in captions if caption.picture not in known]
    if strays:
        raise UserError(
            f"{len(strays):,} of {counted(len(captions), 'caption')} in {to_printable(path)} describe images that it"
            f" does not list (image ids {_some(sorted({caption.picture for caption in strays}))}): use the published"
            " file"
        )


def _advise(folder: Path, split: str) -> str:
    """Return what to do about a folder that has not the layout of COCO."""
    if folder.name in (split, "annotations"):
        return f"give the folder above, {to_printable(folder.parent)}"
    zips = [name for name in _zips(split) if (folder / name).is_file()]
    if zips:
        return f"unpack {' and '.join(zips)} in {to_printable(folder)}"
    start = f"there is no folder {to_printable(folder)}; " if not folder.is_dir() else ""
    layout = f"{to_printable(folder)}/{split}/*.jpg and {to_printable(folder)}/annotations/captions_{split}.json"
    return f"{start}COCO should lie as {layout}; {_source(split)}"


def _source(split: str) -> str:
    return f"COCO is published at https://cocodataset.org/#download ({' and '.join(_zips(split))})"


def _zips(split: str) -> tuple[str, str]:
    return f"{split}.zip", f"annotations_trainval{split[-4:]}.zip"


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _some(values: Iterable[object]) -> str:
    listed = [to_printable(value) for value in values]
    return ", ".join(listed[:_SHOWN]) + (", ..." if len(listed) > _SHOWN else "")


def _quote(entry: Mapping[str, Any]) -> str:
    return ascii(entry)[:120]
