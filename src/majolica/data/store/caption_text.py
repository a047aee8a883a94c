"""What counts as a caption: which field of the metadata holds it, and whether it says anything at all."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any, Literal

EmptyCaptions = Literal["skip", "keep"]
"""Whether samples whose caption says nothing are left out or kept."""

CAPTION_FIELDS = ("caption", "text")
"""Fields of a .json that may hold the caption, the preferred one first."""
LONGEST = 100_000
"""How many characters of a caption are looked at, because cleaning (`majolica.text.clean`) cuts captions there."""
_HEAD = 512
_MOST_BYTES = 4 * LONGEST
# Unicode categories of white space, control characters, format characters such as joiners and the byte order mark, and
# lone surrogates.
_SILENT = frozenset({"Zs", "Zl", "Zp", "Cc", "Cf", "Cs"})


def is_blank(text: str) -> bool:
    """Return whether nothing in `text` can be read, because it has only white space and invisible characters, or none.

    A text of which cleaning leaves nothing is blank.
    """
    return all(unicodedata.category(character) in _SILENT for character in text[:LONGEST])


def is_blank_utf8(read: Callable[[int], bytes], size: int) -> bool:
    """Return `is_blank` of a text of `size` bytes of UTF-8; `read(n)` returns its first n bytes.

    No more bytes are read than are needed. Bytes that are not UTF-8 count as text, because they stand for something.
    """
    if not is_blank(read(min(size, _HEAD)).decode("utf-8", "ignore")):  # a character may be cut at the end
        return False
    return is_blank(read(min(size, _MOST_BYTES)).decode("utf-8", "replace"))


def json_caption(data: bytes) -> str | None:
    """Return `field_caption` of a sample's metadata, given the bytes of its .json."""
    return field_caption(json_mapping(data) or {})


def field_caption(known: Mapping[str, Any]) -> str | None:
    """Return the caption in a sample's metadata: the first of `CAPTION_FIELDS` that is not blank.

    It is "" if all those fields that are there are blank, and None if none is there.
    """
    texts = [known[field] for field in CAPTION_FIELDS if isinstance(known.get(field), str)]
    return next((text for text in texts if not is_blank(text)), "" if texts else None)


def json_mapping(data: bytes) -> dict[str, Any] | None:
    """Return the mapping that `data` holds as JSON, or None if it is broken, a list, or a single value."""
    try:
        known = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return known if isinstance(known, dict) else None
