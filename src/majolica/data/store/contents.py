"""What lies in a folder of shards: its tars, and what looks like a tar and is passed over, with the reason."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from majolica.data.store.index import kind_of
from majolica.errors import UserError, to_printable

_UNPACK = {
    "gunzip": (".tar.gz", ".tgz"),
    "zstd -d --rm": (".tar.zst", ".tzst", ".tar.zstd"),
    "unxz": (".tar.xz", ".txz"),
    "bunzip2": (".tar.bz2", ".tbz2", ".tbz"),
    "lz4 -d --rm -m": (".tar.lz4",),
}
"""The command that turns a compressed tar into a plain one in the same place, and the endings of such tars."""
_SHOWN = 4
"""Subfolders that are named at most."""
_PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif")


@dataclass(frozen=True)
class Contents:
    """The tars of a folder, as the listing of the folder tells."""

    tars: tuple[tuple[str, int, int], ...]
    """Name, size in bytes and time of change in ns of each tar, sorted by name."""
    notices: tuple[str, ...]
    """One sentence for each thing that is passed over."""


def list_contents(folder: Path) -> Contents:
    """List `folder`. Raises UserError if it cannot be listed or holds no tar; the error says what it holds instead."""
    tars, notices, others = [], [], []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.endswith(".tar"):
                    reason, known = _look_at(entry)
                    tars += known
                    notices += [f"{to_printable(folder / entry.name)} is passed over: {reason}"] * bool(reason)
                else:
                    others.append(entry.name)
    except OSError as error:
        raise _no_folder(folder, error) from error
    notices += compressed_notices(str(folder), others)
    if not tars:
        raise UserError(_no_tars(folder, notices, others))
    return Contents(tuple(sorted(tars)), tuple(sorted(notices)))


def compressed_notices(folder: str, names: Iterable[str]) -> list[str]:
    """Return a sentence on the compressed tars among `names`, with the commands that unpack them."""
    names = sorted(names)
    commands: dict[str, list[str]] = {}
    for command, endings in _UNPACK.items():
        for ending in endings:
            if found := [name for name in names if name.lower().endswith(ending)]:
                commands[f"`{command} {folder}/*{found[0][-len(ending) :]}`"] = found
    notices = []
    if commands:
        found = sorted(name for some in commands.values() for name in some)
        some = ", ".join(map(to_printable, found[:3])) + (", ..." if len(found) > 3 else "")
        notices.append(
            f"{folder} holds compressed tars ({len(found):,}: {some}), which are passed over, for samples are read by"
            f" their offset in a plain tar: unpack them with {' and '.join(commands)}"
        )
    capitals = [name for name in names if name.endswith((".TAR", ".Tar"))]
    if capitals:
        notices.append(
            f"{folder}/{to_printable(capitals[0])} is passed over: names of tars end in .tar, in small letters"
        )
    return notices


def tars_inside(folder: Path) -> list[Path]:
    """Tars in a folder and its subfolders, compressed ones too, in the order of names."""
    endings = (".tar", *(ending for some in _UNPACK.values() for ending in some))
    return sorted(path for path in folder.rglob("*") if path.name.lower().endswith(endings))


def _look_at(entry: os.DirEntry[str]) -> tuple[str, list[tuple[str, int, int]]]:
    """Return why `entry` is passed over, and what is known of it if it is not."""
    try:
        found = entry.stat()
    except FileNotFoundError:
        return ("it is a link that leads nowhere" if entry.is_symlink() else "it has just been removed"), []
    except OSError as error:
        return f"it cannot be looked at ({error.strerror})", []
    if kind := kind_of(found.st_mode):
        return f"it is {kind}, not a file", []
    return "", [(entry.name, found.st_size, found.st_mtime_ns)]


def _no_folder(folder: Path, error: OSError) -> UserError:
    name = to_printable(folder)
    if isinstance(error, FileNotFoundError):
        return UserError(f"there is no folder {name}: give one that holds tars, or make one with `majolica data shard`")
    if isinstance(error, NotADirectoryError):
        return UserError(f"{name} is a file: give the folder that the tars lie in, {to_printable(folder.parent)}")
    return UserError(f"{name} cannot be listed: {error.strerror}")


def _no_tars(folder: Path, notices: list[str], others: list[str]) -> str:
    if notices:
        return f"there are no .tar files to read: {'; '.join(notices)}"
    start = f"{to_printable(folder)} holds no .tar files"
    inside = sorted(name for name in others if next((folder / name).glob("*.tar"), None))
    if inside:
        places = [to_printable(folder / name) for name in inside]
        some = " or ".join(places[:_SHOWN]) + (" or ..." if len(places) > _SHOWN else "")
        return f"{start}; did you mean {some}?"
    if any(name.lower().endswith(_PICTURES) for name in others):
        return f"{start} but pictures: make shards of them with `majolica data shard {to_printable(folder)} --out DIR`"
    if any(name.lower().endswith(".parquet") for name in others):
        return f"{start} but tables: if these list URLs, `majolica data fetch --input {to_printable(folder)} --out DIR`"
    return (
        f"{start}: give a folder of img2dataset's or WebDataset's tars, or make shards of your own pictures with"
        " `majolica data shard PICTURES --out DIR`"
    )
