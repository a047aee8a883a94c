"""Sentences on what a person should know of the data before training on it, from a limited sample of rows.

Each notice names the option that changes what it speaks of. Nothing is said about data that are as most people expect.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from majolica.config.data import DataConfig
from majolica.data.order.buckets import assign_buckets
from majolica.data.pictures.faults import BadSample
from majolica.data.pictures.frame import Shape, lost_area, scale_of
from majolica.data.pictures.opening import upright_size
from majolica.data.store.record import Record
from majolica.data.store.shards import ShardSet

ROWS = 256
"""How many samples, of all sources together, are looked at."""
REMOTE_ROWS = 32
"""How many samples of a remote source are looked at, because each of them may need a request."""
LARGE_LOSS = 0.1
"""If a picture loses more than this share of its area, that is a large loss ..."""
MANY_CUT = 1 / 3
"""... and if at least this share of the pictures has a large loss, a notice says so."""
FEW_SIDES = 0.01
"""If at least this share of the captions (and at least two) speak of sides, letters or digits, a notice says so."""

_DIGITS = "zero|one|two|three|four|five|six|seven|eight|nine|ten|[0-9]+"
_TURNED = re.compile(
    rf"""
    \b(?:left|right|leftwards?|rightwards?|left-hand|right-hand|clockwise|(?:anti|counter-?)clockwise)\b
    | \b(?:letters?|digits?|numerals?|numbers?(?!\ of\b)|alphabet|handwrit\w*|calligraph\w*|typograph\w*|lettering)\b
    | \b(?:text|words?|font|inscription|signature|logo|license\ plate|o'clock)\b
    | \b(?:links|rechts|buchstaben?|ziffern?|gauche|droite|lettres?|chiffres?|izquierda|derecha|letras?)\b
    | ^(?:an?\s+|the\s+)?(?:{_DIGITS}|[a-z])$
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""Words for things that are different in a mirror, and captions that are a single digit or letter."""


@dataclass(frozen=True)
class _Row:
    text: str
    size: Shape


def data_notices(sets: Sequence[ShardSet], config: DataConfig, shapes: Sequence[Shape], scale: int = 1) -> list[str]:
    """Return what to say of these sources before training at `shapes` (height and width in pixels), and some rows
    `scale` times as large.

    `shapes` are those of buckets, or one square. There is at most one line on each matter.
    """
    rows = [row for shards in sets for row in _look(shards, ROWS // len(sets) or 1)]
    if not rows:
        return []
    return [
        *_describe_small(rows, config, shapes, scale),
        *_describe_cropped(rows, config, shapes[0]),
        *_describe_flipped(rows, config),
    ]


def mirrored_words(text: str) -> str:
    """Return the first words of a caption or name that name a side, letters or digits; "" if there are none."""
    found = _TURNED.search(text.strip())
    return found[0] if found else ""


def _look(shards: ShardSet, most: int) -> list[_Row]:
    """Return some samples, the same each time: of a local source they are spread, of a remote source they are the
    first."""
    numbers: Sequence[int] = range(min(len(shards), most, REMOTE_ROWS))
    if not shards.remote:
        numbers = sorted(random.Random(0).sample(range(len(shards)), min(len(shards), most)))
    rows = []
    for number in numbers:
        try:
            record = shards.read(number)
            rows.append(_Row(_text_of(record), upright_size(record.image)))
        except BadSample:  # training counts such samples, and says so if there are many
            continue
    return rows


def _text_of(record: Record) -> str:
    name = record.meta.get("name") or record.meta.get("label")
    return record.caption if mirrored_words(record.caption) or not isinstance(name, str) else name


def _describe_small(rows: Sequence[_Row], config: DataConfig, shapes: Sequence[Shape], scale: int) -> list[str]:
    if scale == 1:
        return []
    places = assign_buckets(np.array([row.size for row in rows]), shapes)
    large = [(scale * height, scale * width) for height, width in shapes]
    small = sum(scale_of(row.size, large[place], config.fit) < 1 for row, place in zip(rows, places, strict=True))
    if small < MANY_CUT * len(rows):
        return []
    whole = f"{large[0][1]} x {large[0][0]}"
    asked = whole if len(large) == 1 else f"{scale} times the base picture of their proportions"
    return [
        f"{small / len(rows):.0%} of the pictures ({small} of {len(rows)} looked at) are smaller than {asked}, and "
        "rows of --loss.fine-share that get them are painted at the base resolution only: this run learns less of "
        "larger pictures, or nothing; use larger pictures, or --loss.fine-share 0"
    ]


def _describe_cropped(rows: Sequence[_Row], config: DataConfig, shape: Shape) -> list[str]:
    if config.fit == "crop" and not config.buckets:
        lost = [lost_area(row.size, shape) for row in rows]
        large = sum(loss > LARGE_LOSS for loss in lost)
        if large >= MANY_CUT * len(rows):
            return [
                f"{large / len(rows):.0%} of the pictures ({large} of {len(rows)} looked at) lose more than a tenth of "
                f"their area to the cut to {shape[1]} x {shape[0]}, and all of them {sum(lost) / len(lost):.0%} on "
                "average; --data.fit pad or stretch keeps what is cut, --data.buckets keeps proportions"
            ]
    return []


def _describe_flipped(rows: Sequence[_Row], config: DataConfig) -> list[str]:
    if not config.flip:
        return []
    found = [(word, row.text) for row in rows if (word := mirrored_words(row.text))]
    if len(found) < max(2, FEW_SIDES * len(rows)):
        return []
    examples = list(dict.fromkeys(f'"{_short(text, word)}"' for word, text in found))[:3]
    return [
        f"{len(found) / len(rows):.0%} of the captions or names ({len(found)} of {len(rows)} looked at) speak of sides,"
        f" letters or digits (such as {', '.join(examples)}), and --data.flip mirrors half of the pictures: "
        "--data.no-flip leaves them as they are"
    ]


def _short(text: str, word: str) -> str:
    """Return at most 40 characters of a caption, around `word`."""
    line = " ".join(text.split())
    if len(line) <= 40:
        return line
    place = max(0, line.find(" ".join(word.split())) - 15)
    return ("..." if place else "") + line[place : place + 36].strip() + "..."
