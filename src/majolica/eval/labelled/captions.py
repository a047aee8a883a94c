"""Pictures with one or several captions each, as COCO and Flickr30k have them, from samples of shards."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from majolica.eval.labelled.class_list import fold_class_name
from majolica.eval.protocol import Split
from majolica.text.template_sets import hash_texts

FIELDS = ("captions", "sentences")
"""Fields of metadata that hold several captions; `sentences` is that of Karpathy's splits of COCO and Flickr30k."""


@dataclass(frozen=True)
class CaptionedPictures:
    """Distinct pictures and distinct captions, and which belong together."""

    rows: tuple[int, ...]
    """For each distinct picture, the first sample of the split that shows it."""
    captions: tuple[str, ...]
    """As they are written first."""
    pairs_P2: Tensor
    """Places of a picture and of a caption that belong together, int64, sorted, each pair once."""
    sha256: str
    """Of the pixels of all pictures and of their captions, whatever their order."""


def pair_captions(split: Split) -> CaptionedPictures:
    """Find the distinct pictures and captions of a split.

    Samples whose pixels are equal are one picture with the captions of all of them. Captions that the tokenizer reads
    as the same text ("A fox", "a fox") are one caption, which belongs to the pictures of all of them.
    """
    pictures: dict[str, int] = {}
    texts: dict[str, int] = {}
    rows: list[int] = []
    captions: list[str] = []
    pairs: set[tuple[int, int]] = set()
    for i in range(len(split)):
        found = captions_of(split.captions[i], split.metas[i])
        if not found:
            continue
        digest = hashlib.sha256(split.images_B3HW[i].contiguous().numpy().tobytes()).hexdigest()
        picture = pictures.setdefault(digest, len(rows))
        if picture == len(rows):
            rows.append(i)
        for caption in found:
            place = texts.setdefault(fold_class_name(caption), len(captions))
            if place == len(captions):
                captions.append(caption)
            pairs.add((picture, place))
    known = list(pictures)
    lines_of = sorted(f"{known[picture]} {captions[place]}" for picture, place in pairs)
    pairs_P2 = torch.tensor(sorted(pairs), dtype=torch.int64).view(-1, 2)
    return CaptionedPictures(tuple(rows), tuple(captions), pairs_P2, hash_texts(lines_of))


def captions_of(caption: str, meta: Mapping[str, Any]) -> list[str]:
    """Return all captions of a sample: its own, and those in a list in its metadata, which may be texts or mappings
    with the text in `raw` or `caption`."""
    found = [caption]
    for field in FIELDS:
        several = meta.get(field)
        for each in several if isinstance(several, list) else ():
            text = (each.get("raw") or each.get("caption")) if isinstance(each, dict) else each
            found += [text] if isinstance(text, str) else []
    return list(dict.fromkeys(text.strip() for text in found if text.strip()))
