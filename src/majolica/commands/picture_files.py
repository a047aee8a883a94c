"""The picture files that a verb is to look at: named one by one or by their folder, and some of them broken."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from majolica.commands.pictures import load_pictures
from majolica.config.shard import ShardConfig
from majolica.errors import UserError, to_printable
from majolica.plurals import counted

if TYPE_CHECKING:
    from torch import Tensor

    from majolica.data.pictures.frame import Fit


def find_pictures(places: Sequence[Path]) -> list[Path]:
    """The files among `places` as they are, and all pictures in the folders among them, in the order of names.

    Raises UserError for a folder without any picture, and for a tar: pictures in tars are not looked into.
    """
    from majolica.data.folder.listing import rows
    from majolica.data.store.contents import tars_inside

    found: list[Path] = []
    for place in places:
        if not place.is_dir():
            if place.name.endswith(".tar") and place.exists():
                raise UserError(f"{to_printable(place)} is a tar, not a picture: {_unpacking(place)}")
            found.append(place)
            continue
        inside = [place / row["path"] for row in rows(ShardConfig(source=str(place)))]
        if not inside:
            nothing = f"there are no pictures in the folder {to_printable(place)}"
            if tars := tars_inside(place):
                raise UserError(f"{nothing}, but tars ({len(tars):,}): {_unpacking(tars[0])}")
            raise UserError(nothing)
        found += inside
    return found


def _unpacking(tar: Path) -> str:
    """What to do about pictures in a tar."""
    command = f"mkdir -p pictures && tar -xf {shlex.quote(to_printable(tar))} -C pictures"
    return f"unpack it with `{command}`, and name the folder pictures"


def print_unread(path: Path, reason: str) -> None:
    """Name a picture that is left out."""
    print(f"majolica: {reason}", file=sys.stderr, flush=True)


@dataclass
class PictureFiles:
    """Files to be read a few at a time. One that cannot be read is told and left out; `check` says so at the end."""

    paths: Sequence[Path]
    side: int
    how: Fit
    batch: int = 64
    tell: Callable[[Path, str], None] = print_unread
    raises_single: bool = True
    """Whether `read` raises if there is one file alone and it cannot be read: nothing else is left to do then."""
    unread: int = field(default=0, init=False)

    def read(self) -> Iterator[tuple[list[Path], Tensor]]:
        """Paths of a few files that could be read, and their pictures, uint8 `(B, 3, side, side)`.

        Raises UserError for a single file that cannot be read, where `raises_single` says so.
        """
        import torch

        for start in range(0, len(self.paths), self.batch):
            good, pictures = [], []
            for path in self.paths[start : start + self.batch]:
                try:
                    pictures.append(load_pictures((path,), self.side, self.how))
                except UserError as error:
                    if len(self.paths) == 1 and self.raises_single:
                        raise
                    self.unread += 1
                    self.tell(path, str(error))
                else:
                    good.append(path)
            if good:
                yield good, torch.cat(pictures)

    def check(self) -> None:
        """UserError, and so an exit code that is not 0, where files had to be left out."""
        if self.unread:
            pictures = counted(len(self.paths), "picture")
            raise UserError(f"{self.unread:,} of {pictures} could not be read, as said above")
