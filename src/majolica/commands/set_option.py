"""`--set` on the command line: values of properties, and whether each of them will change something."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from majolica.errors import UserError, unknown_name
from majolica.properties.registry import find_property, known_properties


def read_set_option(words: Sequence[str]) -> dict[str, float | str]:
    """Return `("brightness=0.8,contrast=p90", ...)` as a dictionary.

    Raises UserError for a word that is no name with a value, and for a name that is set twice.
    """
    values: dict[str, float | str] = {}
    for group, word in ((each, piece) for each in words for piece in each.split(",")):
        name, equals, text = word.partition("=")
        name = name.strip()
        if not equals:
            raise UserError(f"--set {group}: {word!r} is no name with a value, as brightness=0.8 is")
        if name in values:
            raise UserError(f"--set {word}: {name} is set already, to {values[name]}")
        values[name] = _read_value(name, word, text)
    return values


def check_names_set(
    properties: Mapping[str, float | str], files: Sequence[Path], adapters: Sequence[Path], run: Path
) -> None:
    """Raise UserError for a name that no property has; which of them the run has is known when it is loaded."""
    known = [*known_properties(), *(path.stem for path in files)]
    if unknown := [name for name in properties if name not in known]:
        from majolica.adapters.store import find_adapters, list_properties
        from majolica.run.weights import home_of

        known += list_properties([*adapters, *find_adapters(home_of(run))])
        if still := [name for name in unknown if name not in known]:
            raise unknown_name("property", still[0], known)


def check_idle_files(
    properties: Mapping[str, float | str], files: Sequence[Path], adapters: Sequence[Path], follows: bool
) -> None:
    """Raise UserError for a file that would change nothing; `follows` says whether a reference picture is given."""
    if idle := [path for path in files if path.stem not in properties]:
        raise UserError(
            f"--property {idle[0]} would change nothing, because {idle[0].stem} is not set: give"
            f" --set {idle[0].stem}=VALUE too, or leave it out"
        )
    for path in adapters:
        from majolica.adapters.store import list_properties

        taught = list_properties([path])
        if taught and taught[0] not in properties:
            raise UserError(
                f"--adapter {path} would change nothing, because {taught[0]} is not set: give --set {taught[0]}=VALUE"
                " too, or leave it out"
            )
        if not taught and not follows:
            raise UserError(
                f"--adapter {path} follows reference pictures, and none is given: name one with --reference, or leave"
                " the adapter out"
            )


def _read_value(name: str, word: str, text: str) -> float | str:
    if name in known_properties() and find_property(name).is_category:
        return text.strip()  # a name, also if it is written in digits
    if re.fullmatch(r"\s*[pP]\d+(\.\d+)?\s*", text):
        return text.strip().lower()  # whether there is such a percentile is known where it is looked up
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UserError(f"--set {word}: {text!r} is not a number, nor a percentile such as p90")
    return value
