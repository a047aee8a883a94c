"""A folder of tars in a store that fsspec can reach (s3://, gs://, hf://, http://), read block by block."""

from __future__ import annotations

import logging
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from majolica.data.store.blocks import Blocks
from majolica.data.store.catalogue import NAME, Tar, parse_catalogue
from majolica.data.store.contents import compressed_notices
from majolica.data.store.groups import ROW
from majolica.data.store.index import count_empty, parse_index, scan_file
from majolica.data.store.local import Opened
from majolica.errors import UserError
from majolica.files import whole_file

log = logging.getLogger(__name__)

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
        except (OSError, ValueError) as error:
            raise UserError(f"{url} cannot be listed ({error}): is it spelt right, and are you let in?") from error
        names = sorted(name for name in found if name.endswith(".tar"))
        self.notices = tuple(compressed_notices(self.url, found))
        if not names:
            raise UserError("; ".join([f"{url} holds no .tar files: name the folder that they lie in", *self.notices]))
        self._infos = [found[name] for name in names]
        self._path = {name: f"{root}/{name}" for name in names}
        self._has_index = {name for name in names if f"{name.removesuffix('.tar')}.mjidx" in found}
        self._blocks = Blocks(lambda file, start, end: self._fs.cat_file(file, start=start, end=end), cache, limit)
        try:
            self._indexes = Path(tempfile.mkdtemp(dir=self._blocks.folder))
            self.tars = self._known_tars({name: int(found[name]["size"]) for name in names}, root, NAME in found)
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
        try:
            data: bytes = self._fs.cat_file(file, start=offset, end=offset + size)
            return data
        except Exception as error:  # each store raises exceptions of its own
            raise UserError(f"{file} cannot be read ({error}): is the store up and are you let in?") from error

    def close(self) -> None:
        """Leave nothing on the disk."""
        self._blocks.close()

    def _known_tars(self, sizes: dict[str, int], root: str, has_catalogue: bool) -> list[Tar]:
        saved = parse_catalogue(self._fs.cat_file(f"{root}/{NAME}")) if has_catalogue else []
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
        return parse_index(self._fs.cat_file(path), size)

    def _scan(self, name: str, size: int) -> Any:
        """Read a tar through once, as a stream, because there is no index of this version beside it."""
        log.info("%s/%s has no index of this version beside it and is read through", self.url, name)
        try:
            with self._fs.open(self._path[name], "rb", block_size=8 << 20, cache_type="readahead") as file:
                return scan_file(file, size, f"{self.url}/{name}").rows
        except OSError as error:
            raise UserError(f"{self.url}/{name} cannot be read ({error})") from error


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
