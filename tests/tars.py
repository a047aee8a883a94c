"""Tars of samples, written by hand and read back."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from majolica.data.store.index import scan_tar
from majolica.data.store.shards import ShardSet

Members = list[tuple[str, bytes]]


def tar(path: Path, members: Members, format: int = tarfile.PAX_FORMAT) -> Path:
    """A tar of members with these names and bytes, in this order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=format) as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def samples(path: Path) -> list[tuple[bytes, str]]:
    """Pictures and captions of a tar: all of them readable."""
    path.with_suffix(".mjidx").unlink(missing_ok=True)
    (path.parent / ".catalogue.json").unlink(missing_ok=True)
    if not len(scan_tar(path).rows):
        return []
    shards = ShardSet(path.parent, empty_captions="keep")
    found = [shards.read(i) for i in range(len(shards))]
    return [(record.image, record.caption) for record in found]
