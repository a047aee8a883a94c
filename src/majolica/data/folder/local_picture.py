"""Reading one local picture with its caption, in the form in which it is stored, or the reason why it cannot be."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

from majolica.config.fetch import PictureConfig
from majolica.config.shard import ShardConfig
from majolica.data.fetch.picture import make_picture
from majolica.data.fetch.status import Failure
from majolica.data.folder.listing import ListedRow
from majolica.data.pictures.memory import MemoryBudget
from majolica.data.pictures.opening import LOCAL
from majolica.data.store.caption_text import CAPTION_FIELDS, field_caption, is_blank
from majolica.data.store.field_names import rename_taken
from majolica.data.store.index import kind_of
from majolica.data.store.record import Record

_MOST_BYTES = 1 << 30
_OURS = ("key", "status", "caption", "path", "sha256", "phash", "width", "height", "original_width", "original_height")
"""Names of metadata that this program fills. A field with such a name in a table or a .json is kept as source_NAME."""


class Unusable(Exception):
    """A picture that is left out. `reason` is for counting, and `detail` is for people."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail


def sample(row: ListedRow, folder: Path, config: ShardConfig) -> Record:
    """Return the picture and the caption of `row`. Raises Unusable."""
    if not isinstance(row["path"], str) or not Path(row["path"]).name or "\0" in row["path"]:
        raise Unusable("no_path", repr(row["path"])[:200])
    path = folder / row["path"]
    beside, damage = _sidecar(path) if "caption" not in row else (row["meta"], "")
    caption = _caption(row, path, beside, damage, config)
    try:
        with MemoryBudget(round(config.decode_gb * 1e9)).lease() as reserve:
            picture = make_picture(_read_picture(path), rules(config), LOCAL, reserve)
    except Failure as failure:
        raise Unusable(failure.status, failure.reason) from None
    known = {
        "path": row["path"],
        "width": picture.width,
        "height": picture.height,
        "original_width": picture.original_width,
        "original_height": picture.original_height,
        "sha256": picture.sha256,
        "phash": picture.phash,
        **({"colour_note": picture.note} if picture.note else {}),
    }
    return Record(picture.data, picture.extension, caption, {**_prefix_fields(beside, caption), **known})


def rules(config: ShardConfig) -> PictureConfig:
    """Return what is done to each picture."""
    return PictureConfig(
        resize="shorter" if config.resolution else "original",
        side=config.resolution or 1,
        format="jpg",
        quality=config.quality,
        max_megapixels=config.max_megapixels,
        min_side=config.min_side,
    )


def _read_picture(path: Path) -> bytes:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise Unusable("too_large", f"{path.stat().st_size} bytes")
        return _read(path)
    except FileNotFoundError:
        raise Unusable("missing", "there is no such file") from None
    except OSError as error:
        raise Unusable("unreadable", error.strerror or str(error)) from None


def _read(path: Path) -> bytes:
    """Return the bytes of a file. Raises OSError if it cannot be read.

    It is raised also if it is no file, because reading a named pipe may wait for ever.
    """
    if kind := kind_of(path.stat().st_mode):
        raise OSError(errno.EINVAL, f"it is {kind}, not a file")
    return path.read_bytes()


def _caption(row: ListedRow, path: Path, beside: dict[str, Any], damage: str, config: ShardConfig) -> str:
    """Return the caption of a picture. `damage` is why the .json beside it, which might hold one, cannot be read."""
    found = False
    for place in config.caption:
        if place == "empty":
            return ""
        if place == "given":
            text = row["caption"] if "caption" in row else _read_caption_file(path, beside)
        else:
            text = path.stem if place == "name" else path.parent.name
            text = text.replace("_", " ").replace("-", " ").encode("utf-8", "replace").decode()
        if isinstance(text, str):
            if not is_blank(_check(text)):
                return text.strip()
            found = True
    if damage:
        raise Unusable("unusable_json", damage)
    raise Unusable("empty_caption" if found else "no_caption")


def _check(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:  # there are lone surrogates, which stand for bytes of another encoding
        raise Unusable("caption_not_utf8", ascii(text[:100])) from None
    return text


def _read_caption_file(path: Path, beside: dict[str, Any]) -> str | None:
    try:
        text = _read(path.with_suffix(".txt")).decode("utf-8-sig")
        return (field_caption(beside) or text) if is_blank(text) else text
    except UnicodeDecodeError:
        raise Unusable("caption_not_utf8", path.with_suffix(".txt").name) from None
    except FileNotFoundError:
        return field_caption(beside)
    except OSError as error:
        raise Unusable("unreadable", f"{path.with_suffix('.txt').name}: {error.strerror}") from None


def _sidecar(path: Path) -> tuple[dict[str, Any], str]:
    """Return what the .json beside a picture says, and why it cannot be read: one of the two is empty, or both."""
    name = path.with_suffix(".json").name
    try:
        known = json.loads(_read(path.with_suffix(".json")), parse_constant=lambda _: None)
    except FileNotFoundError:
        return {}, ""
    except OSError as error:
        return {}, f"{name}: {error.strerror}"
    except (ValueError, RecursionError) as error:
        return {}, f"{name} is no JSON: {error}"
    return (known, "") if isinstance(known, dict) else ({}, f"{name} is JSON, but no object with a field caption")


def _prefix_fields(beside: dict[str, Any], caption: str) -> dict[str, Any]:
    """Return the metadata under the names that they are kept by, without fields that only repeat the caption."""
    ours = dict.fromkeys((*_OURS, *CAPTION_FIELDS))
    kept = {
        name: value
        for name, value in beside.items()
        if not (name in CAPTION_FIELDS and isinstance(value, str) and value.strip() == caption)
    }
    return dict(zip(rename_taken(list(kept), ours), kept.values(), strict=True))
