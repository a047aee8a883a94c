"""A file or a folder that stands where the name of a recipe or a source is wanted."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from majolica.errors import UserError


def is_place(name: str) -> bool:
    """Whether `name` is a file or a folder, or looks like one that is not there; no recipe has such a name."""
    return "/" in name or bool(Path(name).suffix) or Path(name).exists()


def check_name(name: str, kind: str, known: Iterable[str], command: str) -> None:
    """UserError where `name` is a place and no name in `known`; `command` is how that place can be given."""
    if name not in known and is_place(name):
        raise UserError(
            f"{name} stands where the name of a {kind} is wanted ({', '.join(known)}): give it as in `{command}`"
        )


def check_recipe(name: str, known: Iterable[str]) -> None:
    """UserError where a run folder, a folder of shards or a file that is no YAML stands in the place of a recipe."""
    if name in known or not is_place(name):
        return
    if (Path(name) / "config.yaml").is_file():
        raise UserError(
            f"{name} is a run: go on with it by `majolica train --resume {name}`, or name its configuration, "
            f"{Path(name) / 'config.yaml'}"
        )
    if Path(name).is_dir():
        shards = Path(name, "train") if any(Path(name, "train").glob("*.tar")) else name
        raise UserError(
            f"{name} stands where a recipe is wanted ({', '.join(known)}): train on a folder of shards as in "
            f"`majolica train nano --data.shards {shards}`"
        )
    raise UserError(
        f"{name} is neither a recipe ({', '.join(known)}) nor a configuration file, whose name ends in .yaml or .yml"
    )
