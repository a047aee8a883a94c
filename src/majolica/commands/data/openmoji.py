"""`majolica data openmoji`: shards of captioned pictures, composed from drawings."""

from __future__ import annotations

from pathlib import Path

import tyro

from majolica.files import check_folder_writable
from majolica.lock import hold_folder
from majolica.plurals import counted


def run(args: list[str]) -> None:
    """Parse `args` and make the data set."""
    tyro.cli(openmoji, args=args, prog="majolica data openmoji")


def openmoji(
    out: Path = Path("data/openmoji"),
    samples: int = 20_000,
    resolution: int = 96,
    names: tuple[str, ...] = ("32",),
    objects: int = 1,
    seed: int = 0,
) -> None:
    """Make shards of captioned pictures from OpenMoji drawings (CC BY-SA 4.0): train, heldout, combinations.

    Args:
        out: Folder to write; what to train on is its train subfolder.
        samples: Training pictures.
        resolution: Side in pixels; recipes with a fine_share want their largest fine scale times the base.
        names: How many things to draw (up to 845), or their names.
        objects: Most things in one picture, 1 or 2.
        seed: The same seed gives the same pictures.
    """
    check_folder_writable(out)
    from majolica.commands.progress import bar
    from majolica.data.drawings.make import make_openmoji

    chosen = int(names[0]) if len(names) == 1 and names[0].isdecimal() else names
    with hold_folder(out), bar("composing") as progress:
        make_openmoji(out, samples, resolution, chosen, objects, seed, progress=progress)
    print(f"{counted(samples, 'sample')} in {out / 'train'}; the licence of the drawings is in {out / 'LICENSE.txt'}")
