"""The name of a property that a file of the user's own defines, which is known before the file is run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from majolica.errors import UserError
from majolica.properties.registry import known_properties


def check_property_files(paths: Sequence[Path]) -> None:
    """Raise UserError if one of the files cannot define a property, or if two define one of the same name."""
    first: dict[str, Path] = {}
    for path in paths:
        name = check_property_file(path)
        if name in first:
            raise UserError(f"{first[name]} and {path} both define {name}: name one only, or rename a file")
        first[name] = path


def check_property_file(path: Path) -> str:
    """Return the name of the property that a Python file defines, which is that of the file.

    Raises UserError if there is no such file, and for a name that no property of the user's own can have.
    """
    name = path.stem
    if str(path) in known_properties():
        raise UserError(f"{path} is built in, and no file is needed for it: leave it out")
    if path.is_dir():
        raise UserError(f"{path} is a folder: name the Python file that defines PROPERTY")
    if not path.is_file():
        raise UserError(f"{path} is not there: name a Python file that defines PROPERTY")
    if path.suffix != ".py" or not name.isidentifier():
        raise UserError(f"{path} cannot name a property: use letters, digits and underscores, as in warmth.py")
    if name in known_properties():
        raise UserError(f"{path} has the name of a property that is built in: rename it")
    return name
