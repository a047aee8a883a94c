"""A folder of tars in a store that fsspec can reach (s3://, gs://, hf://, http://), read block by block."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from majolica.data import index
from majolica.data.blocks import Blocks
from majolica.data.catalogue import Tar
from majolica.data.local import Opened
from majolica.errors import UserError

_STAMPS = ("ETag", "etag", "md5Hash", "content_md5", "crc32c", "LastModified", "last_modified", "mtime")


def is_remote(place: str) -> bool:
    """Whether `place` is a URL, not a local folder."""
    return "://" in place and not place.startswith("file://")


class RemoteTars:
    """The tars at a URL: listed once, their indexes brought here, their bytes through a bounded cache."""

    def __init__(self, url: str, cache: Path | None, limit: int) -> None:
        self.url = url.rstrip("/")
        self._fs, root = _store(self.url)
        try:
            found = {Path(name).name: info for name, info in self._fs.find(root, maxdepth=1, detail=True).items()}
        except (OSError, ValueError) as error:
            raise UserError(f"{url} cannot be listed ({error}): is it spelt right, and are you let in?") from error
        names = sorted(name for name in found if name.endswith(".tar"))
        if not names:
            raise UserError(f"{url} holds no .tar files: name the folder that they lie in")
        self._infos = [found[name] for name in names]
        self._path = {name: f"{root}/{name}" for name in names}
        self._blocks = Blocks(lambda file, start, end: self._fs.cat_file(file, start=start, end=end), cache, limit)
        self._indexes = Path(tempfile.mkdtemp(dir=self._blocks.folder))
        with ThreadPoolExecutor(32) as pool:
            sizes = [int(found[name]["size"]) for name in names]
            has_index = [f"{name.removesuffix('.tar')}.mjidx" in found for name in names]
            counts = list(pool.map(self._bring_index, names, sizes, has_index))
        self.tars = [Tar(name, size, 0, count) for name, size, count in zip(names, sizes, counts, strict=True)]

    def open(self, tar: Tar) -> Opened:
        """Index, memory-mapped, and bytes of a tar."""
        file = self._path[tar.name]
        rows = np.load(self._indexes / f"{tar.name}.npy", mmap_mode="r") if tar.count else np.empty(0, index.ROW)
        return Opened(
            rows, partial(self._blocks.read, file), partial(self._blocks.ahead, file), partial(self._peek, file)
        )

    def stamps(self) -> list[str]:
        """ETags, or what the store has in their place; "" where it says nothing but the size."""
        return [next((str(info[key]) for key in _STAMPS if info.get(key)), "") for info in self._infos]

    def _peek(self, file: str, offset: int, size: int) -> bytes:
        try:
            data: bytes = self._fs.cat_file(file, start=offset, end=offset + size)
            return data
        except Exception as error:  # each store raises its own kinds
            raise UserError(f"{file} cannot be read ({error}): is the store up and are you let in?") from error

    def close(self) -> None:
        """Leave nothing on the disk."""
        self._blocks.close()

    def _bring_index(self, name: str, size: int, has_index: bool) -> int:
        rows = self._saved_index(name, size) if has_index else None
        if rows is None:
            rows = self._scanned(name, size)
        np.save(self._indexes / f"{name}.npy", rows)
        return len(rows)

    def _saved_index(self, name: str, size: int) -> Any:
        path = self._path[name].removesuffix(".tar") + ".mjidx"
        return index.parse(self._fs.cat_file(path), size)

    def _scanned(self, name: str, size: int) -> Any:
        """Without an index beside it a tar is read through once, in a stream."""
        try:
            with self._fs.open(self._path[name], "rb", block_size=8 << 20, cache_type="readahead") as file:
                return index.scan_file(file, size, f"{self.url}/{name}").rows
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
