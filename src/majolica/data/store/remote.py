"""A folder of tars in a store that fsspec can reach (s3://, gs://, hf://, http://), read block by block."""

from __future__ import annotations

import logging
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from majolica.data.store.blocks import Blocks, read_patiently
from majolica.data.store.catalogue import NAME, Tar, parse_catalogue
from majolica.data.store.contents import compressed_notices
from majolica.data.store.groups import ROW
from majolica.data.store.index import count_empty, parse_index, scan_file
from majolica.data.store.local import Opened
from majolica.data.store.tar import BLOCK, is_header_of
from majolica.errors import UserError
from majolica.files import whole_file

log = logging.getLogger(__name__)

_TIMES = ("LastModified", "last_modified", "mtime", "created")
"""What stores call the time at which a file was last written."""
_SLACK = 2.0
"""Seconds between two files that are taken for the same time, because many stores know whole seconds only."""
_LOOKS = 16
"""How many samples of a tar are compared with an index that is older than the tar."""
_STAMPS = ("ETag", "etag", "md5Hash", "content_md5", "crc32c", "LastModified", "last_modified", "mtime")


def is_remote(place: str) -> bool:
    """Whether `place` is a URL, not a local folder."""
    return "://" in place and not place.startswith("file://")


class RemoteTars:
    """The tars at a URL. They are listed once, their indexes are copied here, and their bytes go through a bounded
    cache.

    If a catalogue beside the tars knows all of them, an index is copied only when its tar is first read.
    """

    def __init__(self, url: str, cache: Path | None, limit: int) -> None:
        self.url = url.rstrip("/")
        self._fs, root = _store(self.url)
        try:
            found = {Path(name).name: info for name, info in self._fs.find(root, maxdepth=1, detail=True).items()}
        except Exception as error:  # each store raises exceptions of its own
            raise UserError(f"{url} cannot be listed ({error}): is it spelt right, and are you let in?") from error
        names = sorted(name for name in found if name.endswith(".tar"))
        self.notices = tuple(compressed_notices(self.url, found))
        if not names:
            raise UserError("; ".join([f"{url} holds no .tar files: name the folder that they lie in", *self.notices]))
        self._infos = [found[name] for name in names]
        self._path = {name: f"{root}/{name}" for name in names}
        indexes = {name: found.get(f"{name.removesuffix('.tar')}.mjidx") for name in names}
        self._has_index = {name for name, info in indexes.items() if info}
        self._older = {name for name, info in indexes.items() if info and _is_older(info, found[name])}
        """Tars that were written after their indexes, as folders are if their files are copied one after the other."""
        self._blocks = Blocks(self._part, cache, limit)
        try:
            self._indexes = Path(tempfile.mkdtemp(dir=self._blocks.folder))
            with ThreadPoolExecutor(32) as pool:
                sizes = dict(zip(names, pool.map(lambda name: self._size(name, found[name]), names), strict=True))
            self.tars = self._known_tars(sizes, root, NAME in found)
        except BaseException:
            self.close()
            raise

    def open(self, tar: Tar) -> Opened:
        """Return a tar ready to be read; its index is memory-mapped."""
        file = self._path[tar.name]
        blocks = self._blocks
        return Opened(
            self._rows(tar), partial(blocks.read, file), partial(blocks.prefetch, file), partial(self._peek, file)
        )

    def stamps(self) -> list[str]:
        """Return the ETags of the tars, or what the store has in their place; "" if it gives nothing but the size."""
        return [next((str(info[key]) for key in _STAMPS if info.get(key)), "") for info in self._infos]

    def _peek(self, file: str, offset: int, size: int) -> bytes:
        return read_patiently(file, partial(self._part, file, offset, offset + size))

    def _read_whole(self, file: str) -> bytes:
        return read_patiently(file, partial(self._fs.cat_file, file))

    def _part(self, file: str, start: int, end: int) -> bytes:
        """Return a part of a file, which is shorter if the file ends before."""
        data: bytes = self._fs.cat_file(file, start=start, end=end)
        if len(data) > end - start:
            raise UserError(
                f"{file}: the server gives whole files where a part is asked for (HTTP Range): serve the shards with"
                " one that knows ranges, or copy them to this machine"
            )
        return data

    def _size(self, name: str, info: dict[str, Any]) -> int:
        """Return the size of a tar; the store is asked for it if its listing does not tell it."""
        try:
            size = info["size"] if info.get("size") is not None else self._fs.info(self._path[name])["size"]
        except Exception as error:  # each store raises exceptions of its own
            raise UserError(f"{self.url}/{name} cannot be read ({error})") from error
        if size is None:
            raise UserError(
                f"{self.url}/{name}: the store does not say how large it is: serve the shards with a server that tells"
                " sizes (Content-Length), or copy them to this machine"
            )
        return int(size)

    def close(self) -> None:
        """Leave nothing on the disk."""
        self._blocks.close()

    def _known_tars(self, sizes: dict[str, int], root: str, has_catalogue: bool) -> list[Tar]:
        saved = parse_catalogue(self._read_whole(f"{root}/{NAME}")) if has_catalogue else []
        known = {tar.name: tar for tar in saved if sizes.get(tar.name) == tar.size and tar.name in self._has_index}
        unknown = [name for name in sizes if name not in known]
        with ThreadPoolExecutor(32) as pool:
            for tar in pool.map(lambda name: self._bring_index(name, sizes[name]), unknown):
                known[tar.name] = tar
        return [replace(known[name], mtime=0) for name in sizes]

    def _bring_index(self, name: str, size: int) -> Tar:
        rows = self._saved_index(name, size) if name in self._has_index else None
        if rows is None:
            rows = self._scan(name, size)
        self._keep(name, rows)
        return Tar(name, size, 0, len(rows), count_empty(rows))

    def _rows(self, tar: Tar) -> Any:
        """Return the rows of an index. The file is memory-mapped, because all indexes together may be large."""
        path = self._indexes / f"{tar.name}.npy"
        if not path.exists():
            self._bring_index(tar.name, tar.size)
        return np.load(path, mmap_mode="r") if tar.count else np.empty(0, ROW)

    def _keep(self, name: str, rows: Any) -> None:
        # Whole at once, because several threads may want one index at the same time.
        with whole_file(self._indexes / f"{name}.npy", flush=False) as file:
            np.save(file, rows)

    def _saved_index(self, name: str, size: int) -> Any:
        path = self._path[name].removesuffix(".tar") + ".mjidx"
        rows = parse_index(self._read_whole(path), size)
        if rows is not None and name in self._older and not self._fits(name, rows):
            log.warning("the index of %s/%s is that of another tar: index the tar and copy both", self.url, name)
            return None
        return rows

    def _fits(self, name: str, rows: Any) -> bool:
        """Return whether the members of some samples lie where an index says."""
        for row in rows[np.unique(np.linspace(0, len(rows) - 1, min(_LOOKS, len(rows)), dtype=np.int64))]:
            for part in ("image", "text"):
                size = int(row[f"{part}_size"])
                start = int(row["image"]) + (0 if part == "image" else int(row[part])) - BLOCK
                if size and not is_header_of(self._peek(self._path[name], start, BLOCK), size):
                    return False
        return True

    def _scan(self, name: str, size: int) -> Any:
        """Read a tar through once, as a stream, because there is no index of this version beside it."""
        log.info("%s/%s has no index of this version beside it and is read through", self.url, name)
        try:
            with self._fs.open(self._path[name], "rb", block_size=8 << 20, cache_type="readahead") as file:
                return scan_file(file, size, f"{self.url}/{name}").rows
        except UserError:
            raise
        except Exception as error:  # each store raises exceptions of its own
            raise UserError(f"{self.url}/{name} cannot be read ({error})") from error


def _is_older(index: dict[str, Any], tar: dict[str, Any]) -> bool:
    """Return whether an index was written before its tar, as far as the store tells."""
    before, after = _seconds(index), _seconds(tar)
    return before is not None and after is not None and before < after - _SLACK


def _seconds(info: dict[str, Any]) -> float | None:
    """Return when a file was last written, in seconds; None if its store does not say, or says it in words."""
    when = next((info[name] for name in _TIMES if info.get(name)), None)
    if isinstance(when, datetime):
        return when.timestamp()
    return float(when) if isinstance(when, int | float) else None


def _store(url: str) -> tuple[Any, str]:
    try:
        import fsspec
    except ImportError as error:
        raise UserError(f"{url} needs fsspec: pip install 'majolica[data]'") from error
    try:
        fs, root = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise UserError(f"{url} cannot be reached: {error}") from error
    return fs, root.rstrip("/")
