"""The classes of a data set: their names, and the folders or keys under which pictures are filed."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from majolica.errors import UserError
from majolica.text.folding import folding_normalizer
from majolica.text.template_sets import hash_texts

_WNID = re.compile(r"(n\d{8})[ \t]+(\S.*)")
"""A line of ImageNet's own lists: the number of a noun in WordNet, and its name."""
_ADVICE = (
    "give each class a name of its own (old lists of ImageNet's classes have two called crane and two called maillot,"
    " newer ones two called missile and two called sunglasses)"
)


@dataclass(frozen=True)
class ClassList:
    """The names of K classes in their order, and the keys that stand for them."""

    names: tuple[str, ...]
    places: Mapping[str, int]
    """The place in `names` for every name, and every key, as `fold_class_name` makes it."""
    has_keys: bool = False
    """Whether the list gives keys, such as the names of folders, beside names."""

    @property
    def hash(self) -> str:
        """SHA-256 of the names in their order, and of the keys."""
        keys = [f"{key} {place}" for key, place in sorted(self.places.items())]
        return hash_texts([*self.names, *keys])

    def find(self, label: str | int) -> int:
        """Return the place of a label: a name in any case, a key, or, as a whole number, the place itself.

        Text such as "3" is a place where no class is called so. Underscores in a label may stand for spaces.
        Raises UserError, which names the nearest, for a label that is not in the list.
        """
        if isinstance(label, str):
            for form in (label, label.replace("_", " ")):
                if (place := self.places.get(fold_class_name(form))) is not None:
                    return place
            if not label.strip().isdecimal():
                raise self._unknown(label)
        place = int(label)
        if not 0 <= place < len(self.names):
            raise UserError(
                f"the label {place} is no class: the class list has {len(self.names):,}, numbered from 0 to"
                f" {len(self.names) - 1:,}"
            )
        return place

    def _unknown(self, label: str) -> UserError:
        close = difflib.get_close_matches(fold_class_name(label), self.places, n=3, cutoff=0.5)
        nearest = list(dict.fromkeys(self.names[self.places[key]] for key in close)) or list(self.names[:3])
        said = "the nearest are" if close else "it begins with"
        advice = "" if self.has_keys else ", or give the names of folders beside the names, as in n01440764<tab>tench"
        return UserError(
            f"the label {label!r} is not among the {len(self.names):,} classes: {said}"
            f" {', '.join(map(repr, nearest))}; add it to the class list{advice}"
        )


def fold_class_name(text: str) -> str:
    """Return `text` in the form in which the tokenizer compares texts: without case, NFKC, with single spaces."""
    folded: str = folding_normalizer().Normalize(text)
    return folded


def list_classes(names: Sequence[str], keys: Sequence[Sequence[str]] = (), where: Sequence[str] = ()) -> ClassList:
    """Make a class list of names and, for each, further keys; `where` says of each where it stands ("line 3").

    Raises UserError for fewer than one name, for an empty one, and for one name or key of two classes.
    """
    places: dict[str, int] = {}
    spots = where or [f"class {number}" for number in range(len(names))]
    if not names:
        raise UserError("the class list is empty: give one class a line")
    for place, name in enumerate(names):
        if not fold_class_name(name).strip("\u2581"):
            raise UserError(f"{spots[place]} of the class list is an empty name: say what the class shows")
        _place(places, name, place, "name", spots)
    for place, some in enumerate(keys):
        for key in some:
            _place(places, key, place, "key", spots)
    return ClassList(tuple(names), places, any(keys))


def _place(places: dict[str, int], text: str, place: int, kind: str, spots: Sequence[str]) -> None:
    before = places.setdefault(fold_class_name(text), place)
    if before != place:
        raise UserError(
            f"the class list has the {kind} {text!r} twice, in {spots[before]} and in {spots[place]}: {_ADVICE}"
        )


def read_class_list(file: Path, first_synonym: bool = False) -> ClassList:
    """Read a class list from a UTF-8 file.

    A text file has one class a line: its name, or a key and its name with a tab between them, or a number of
    WordNet and its name ("n01440764 tench"). A .json file has a list of names, or a mapping from keys to names;
    names that are pairs of a number of WordNet and a name, as in imagenet_class_index.json, give two keys. With
    `first_synonym`, a name ends at its first comma ("tench, Tinca tinca"); otherwise commas belong to it.

    Raises UserError for a file that cannot be read or is no such list, and as `list_classes`.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UserError(f"cannot read the class list {file}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"cannot read the class list {file}: it is not UTF-8 text; save it as UTF-8") from error
    try:
        names, keys, where = _parse_json(text) if file.suffix.lower() == ".json" else _parse_lines(text)
        if first_synonym:
            names = [name.split(",")[0].strip() for name in names]
        return list_classes(names, keys, where)
    except UserError as error:
        raise UserError(f"{file}: {error}") from error


_Parsed = tuple[list[str], list[tuple[str, ...]], list[str]]


def _parse_lines(text: str) -> _Parsed:
    lines = [(number, line.rstrip()) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    rows = [(f"line {number}", _cut(line)) for number, line in lines]
    pairs = [len(row) == 2 for _, row in rows]
    if any(pairs) and not all(pairs):
        odd, other = rows[pairs.index(not pairs[0])][0], rows[0][0]
        raise UserError(
            f"{odd} has {2 - pairs[0]} column(s) and {other} has {1 + pairs[0]}: give all lines key<tab>name, or none"
        )
    return [row[-1] for _, row in rows], [row[:-1] for _, row in rows], [where for where, _ in rows]


def _cut(line: str) -> tuple[str, ...]:
    if "\t" in line.strip():
        key, _, name = line.strip().partition("\t")
        return key.strip(), name.strip()
    found = _WNID.fullmatch(line.strip())
    return found.groups() if found else (line.strip(),)


def _parse_json(text: str) -> _Parsed:
    try:
        # Pairs are kept, because a mapping would keep only the last of two equal keys.
        known = json.loads(text, object_pairs_hook=lambda pairs: _Pairs(pairs))
    except (ValueError, RecursionError) as error:
        raise UserError(f"it is no JSON ({error})") from error
    if isinstance(known, _Pairs):
        rows = [(f"key {key!r}", (key, *(value if isinstance(value, list) else [value]))) for key, value in known.pairs]
    elif isinstance(known, list):
        rows = [(f"entry {number}", (name,)) for number, name in enumerate(known, 1)]
    else:
        raise UserError("a list of names, or a mapping from keys to names, was expected")
    for where, row in rows:
        if not 1 <= len(row) <= 3 or not all(isinstance(part, str) for part in row):
            raise UserError(f"{where} is no name: give a text")
    return _numbered([(where, tuple(row)) for where, row in rows])


def _numbered(rows: Iterable[tuple[str, tuple[str, ...]]]) -> _Parsed:
    """Return names, keys and spots; if all keys are the numbers from 0 on, they give the order and are no keys."""
    rows = list(rows)
    firsts = [row[0] for _, row in rows if len(row) > 1]
    if len(firsts) == len(rows) and sorted(firsts) == sorted(map(str, range(len(rows)))):
        rows = [(where, row[1:]) for where, row in sorted(rows, key=lambda each: int(each[1][0]))]
    return [row[-1] for _, row in rows], [row[:-1] for _, row in rows], [where for where, _ in rows]


@dataclass(frozen=True)
class _Pairs:
    """A JSON object as its keys and values, in their order."""

    pairs: list[tuple[str, object]]
