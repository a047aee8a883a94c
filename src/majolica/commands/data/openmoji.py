"""`majolica data openmoji`: shards of captioned pictures, composed from drawings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import tyro

from majolica.commands.command_line import call_verb
from majolica.errors import UserError
from majolica.files import check_folder_writable
from majolica.lock import hold_folder
from majolica.plurals import counted


def run(args: list[str]) -> None:
    """Parse `args` and make the data set."""
    call_verb(openmoji, args, "majolica data openmoji")


def openmoji(
    out: Path = Path("data/openmoji"),
    samples: int = 20_000,
    resolution: int = 96,
    names: tuple[str, ...] = ("32",),
    objects: int = 1,
    seed: int = 0,
    aspects: Annotated[tuple[str, ...], tyro.conf.arg(metavar="WIDTH:HEIGHT ...")] = ("1:1",),
) -> None:
    """Make shards of captioned pictures from OpenMoji drawings (CC BY-SA 4.0): train, heldout, combinations.

    Args:
        out: Folder to write; what to train on is its train subfolder.
        samples: Training pictures.
        resolution: Side in pixels; recipes with a fine_share want their largest fine scale times the base.
        names: How many things to draw (up to 845), or their names.
        objects: Most things in one picture, 1 or 2.
        seed: The same seed gives the same pictures.
        aspects: Proportions of training pictures (1:1 3:2 2:3), each as often as any, for --data.buckets.
    """
    proportions = [_read_aspect(word) for word in aspects]
    check_folder_writable(out)
    from majolica.commands.progress import bar
    from majolica.data.drawings.make import make_openmoji

    chosen = int(names[0]) if len(names) == 1 and names[0].isdecimal() else names
    with hold_folder(out), bar("composing") as progress:
        make_openmoji(out, samples, resolution, chosen, objects, seed, progress=progress, aspects=proportions)
    print(f"{counted(samples, 'sample')} in {out / 'train'}; the licence of the drawings is in {out / 'LICENSE.txt'}")


def _read_aspect(word: str) -> float:
    """Return width over height of a word such as "3:2". Raises UserError for any other word."""
    found = re.fullmatch(r"0*([1-9]\d{0,4}):0*([1-9]\d{0,4})", word)
    if not found:
        raise UserError(
            f"--aspects {word}: give width and height with a colon between them, as in --aspects 1:1 3:2 2:3"
        )
    return int(found[1]) / int(found[2])
