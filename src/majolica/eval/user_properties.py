"""A run together with the measures of the user's own properties that it was taught."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from majolica.errors import UserError
from majolica.properties.file_name import check_property_files
from majolica.properties.user_file import load_property_file
from majolica.run.weights import home_of

if TYPE_CHECKING:
    from majolica.sampling.pipeline import Pipeline


def load_with_measures(place: Path, files: Sequence[Path]) -> Pipeline:
    """Return the pipeline of a run, a checkpoint or a file of weights; `files` say how its own properties are measured.

    Without its file a user's property can be set, but neither measured nor projected to. Raises UserError for a file
    that cannot be used, for another one than the property was taught with, and for one that the run was not taught.
    """
    from majolica.sampling.pipeline import Pipeline

    check_property_files(files)
    names = [load_property_file(path) for path in files]  # before the adapters, which look for them
    trained = Pipeline.load(place)
    for name, path in zip(names, files, strict=True):
        if name not in trained.properties:
            raise UserError(
                f"{place} was not taught {name}: teach it with `majolica extend {home_of(place)} --property {path}`"
            )
    return trained
