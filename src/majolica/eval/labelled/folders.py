"""Labelled pictures in a folder that has one folder for each class, as ImageNet is unpacked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from majolica.config.shard import ShardConfig
from majolica.data.folder.listing import rows
from majolica.data.pictures.faults import BadSample
from majolica.data.store.index import kind_of
from majolica.errors import UserError, to_printable
from majolica.eval.labelled.listed import Listed
from majolica.eval.labelled.pictures import Encoded
from majolica.plurals import counted


def list_folder(root: Path) -> Listed:
    """List the pictures in the folders of `root`: the name of the folder just below `root` is the label.

    Deeper folders belong to the class above them. Raises UserError for a folder without pictures, and for pictures
    that lie in no folder of a class.
    """
    paths = [str(row["path"]) for row in rows(ShardConfig(source=str(root)))]
    if not paths:
        raise UserError(f"there are no pictures in {root}: give a folder with one folder of pictures for each class")
    loose = [path for path in paths if "/" not in path]
    if loose:
        raise UserError(
            f"{counted(len(loose), 'picture')} in {root} lie in no folder of a class, such as"
            f" {to_printable(loose[0])}: make a folder for each class, named after it"
        )
    return Listed(
        paths, [path.split("/")[0] for path in paths], lambda some: load_files([root / paths[i] for i in some])
    )


def load_files(paths: Sequence[Path]) -> Iterator[Encoded]:
    """Yield the bytes of files, or why they cannot be read."""
    for path in paths:
        try:
            # Reading a named pipe may wait for ever.
            kind = kind_of(path.stat().st_mode)
            yield BadSample(f"it is {kind}, not a file") if kind else path.read_bytes()
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            yield BadSample(reason or type(error).__name__)
