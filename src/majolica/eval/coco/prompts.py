"""The captions of COCO that are painted: a fixed random list, which is written beside the results and can be given."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from majolica.errors import UserError, to_printable
from majolica.eval.coco.annotations import Coco, CocoCaption, CocoPicture
from majolica.files import write_atomic
from majolica.plurals import counted

FULL = 30_000
"""Captions of the published protocol, FID-30K."""
_KIND = "majolica COCO caption ids"


@dataclass(frozen=True)
class Prompts:
    """The captions to paint, in their order."""

    captions: tuple[CocoCaption, ...]
    sha256: str
    """The hash of `hash_ids`."""
    chosen: str
    """How they were chosen, in words that the record of an evaluation holds."""

    @property
    def texts(self) -> list[str]:
        """The captions as prompts."""
        return [caption.text for caption in self.captions]

    def pictures(self, coco: Coco) -> list[CocoPicture]:
        """Return the different pictures that the captions describe, in the order of their first captions."""
        return [coco.picture_of[number] for number in dict.fromkeys(caption.picture for caption in self.captions)]


def hash_ids(ids: Sequence[int]) -> str:
    """Return the SHA-256 of the numbers in decimal, each followed by a line feed, as `sha256sum` finds it in a list."""
    return hashlib.sha256("".join(f"{number}\n" for number in ids).encode()).hexdigest()


def draw_prompts(coco: Coco, count: int = FULL, seed: int = 0) -> Prompts:
    """Draw `count` captions at random, without returning any.

    All captions are ordered by the SHA-256 of the text "SEED:ID" of their numbers. This is a random order
    that is the same on every machine and in every version of every library, in which a shorter list is
    the beginning of a longer one, and which does not change if other captions are left out. The list
    is the first caption in this order of each of the first `count` pictures. The published protocol ("30,000
    captions at random from the validation set", Ramesh et al., arXiv 2102.12092; Saharia et al., 2205.11487)
    leaves open whether a picture may have several; with one each, no picture counts more than another.

    Raises UserError if there are not so many.
    """
    if count < 1:
        raise UserError(f"the number of captions of COCO is {count}: give one from 1 on")
    ordered = sorted(coco.captions, key=lambda caption: (_place(seed, caption.id), caption.id))
    first: dict[int, CocoCaption] = {}
    for caption in ordered:
        first.setdefault(caption.picture, caption)
    if len(first) < count:
        there = counted(len(first), "picture with a caption", "pictures with captions")
        raise UserError(
            f"{coco.split} in {to_printable(coco.folder)} has {there} but {count:,} are asked for: give --subset"
            f" {len(first)} or fewer, or a whole copy of COCO"
        )
    return _prompts(list(first.values())[:count], f"one caption of each of so many random pictures, seed {seed}")


def write_ids(folder: Path, coco: Coco, prompts: Prompts) -> Path:
    """Write the numbers of the captions to `coco-ids-COUNT.json` in `folder`, and return its path.

    If another list has this name there, the beginning of the list's SHA-256 is added to the name.
    """
    ids = [caption.id for caption in prompts.captions]
    known = {
        "kind": _KIND,
        "split": coco.split,
        "annotations_sha256": coco.sha256,
        "chosen": prompts.chosen,
        "count": len(ids),
        "sha256": prompts.sha256,
        "caption_ids": ids,
    }
    path = folder / f"coco-ids-{len(ids)}.json"
    if path.exists() and prompts.sha256 not in path.read_text("utf-8", errors="replace"):
        path = path.with_stem(f"{path.stem}-{prompts.sha256[:8]}")
    write_atomic(path, json.dumps(known, indent=1) + "\n")
    return path


def read_ids(path: Path, coco: Coco, count: int | None = None) -> Prompts:
    """Read a list of caption numbers, and take its first `count` captions, by default all.

    The file is one that `write_ids` wrote, a JSON list of numbers, or a text with one number on each line.
    Raises UserError if it is none of these, was changed, or does not belong to `coco`.
    """
    ids, chosen = _read_list(path, coco)
    if len(set(ids)) < len(ids):
        [(twice, _)] = Counter(ids).most_common(1)
        raise UserError(f"{to_printable(path)} lists caption {twice} twice: each may be there once")
    by_id = {caption.id: caption for caption in coco.captions}
    unknown = [number for number in ids if number not in by_id]
    if unknown:
        some = ", ".join(map(str, unknown[:5])) + (", ..." if len(unknown) > 5 else "")
        raise UserError(
            f"{len(unknown):,} of {counted(len(ids), 'caption id')} in {to_printable(path)} have no caption in"
            f" {coco.split} ({some}): the list belongs to another split or to other annotations"
        )
    if count is not None and not 1 <= count <= len(ids):
        raise UserError(f"{to_printable(path)} lists {counted(len(ids), 'caption')}, but {count:,} are asked for")
    return _prompts([by_id[number] for number in ids[:count]], chosen)


def _prompts(captions: Sequence[CocoCaption], chosen: str) -> Prompts:
    return Prompts(tuple(captions), hash_ids([caption.id for caption in captions]), chosen)


def _place(seed: int, number: int) -> bytes:
    return hashlib.sha256(f"{seed}:{number}".encode()).digest()


def _read_list(path: Path, coco: Coco) -> tuple[list[int], str]:
    """Return the numbers in a file, and how they were chosen."""
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the caption ids in {to_printable(path)}: {error}") from error
    try:
        found: Any = json.loads(text)
    except ValueError:
        found = text.split()
    if isinstance(found, int):  # a text of a single number is also JSON
        found = [found]
    listed: Any = found.get("caption_ids") if isinstance(found, dict) else found
    try:
        ids = [_number(value) for value in listed]
    except (TypeError, ValueError) as error:
        raise UserError(
            f"{to_printable(path)} is no list of caption ids ({error}): give a JSON list, or one number on each line"
        ) from error
    if not ids:
        raise UserError(f"{to_printable(path)} lists no caption")
    if isinstance(found, dict):
        _check_known(path, found, ids, coco)
        if "sha256" in found and isinstance(found.get("chosen"), str):  # unchanged since `write_ids` wrote it
            return ids, found["chosen"]
    return ids, "a given list"


def _number(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(f"{ascii(value)[:40]} is no whole number")
    return int(value)


def _check_known(path: Path, known: dict[str, Any], ids: Sequence[int], coco: Coco) -> None:
    if known.get("split", coco.split) != coco.split:
        raise UserError(f"{to_printable(path)} lists captions of {known['split']}, and not of {coco.split}")
    if known.get("sha256", hash_ids(ids)) != hash_ids(ids):
        raise UserError(
            f"the ids in {to_printable(path)} are not those that were written, because their SHA-256 differs: take the"
            " original file, or remove the entry sha256 if you changed the list on purpose"
        )
