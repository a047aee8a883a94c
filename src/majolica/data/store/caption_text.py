"""What counts as a caption: which field of the metadata holds it, and when it says nothing at all."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any, Literal

EmptyCaptions = Literal["skip", "keep"]
"""What becomes of samples whose caption says nothing: they are left out, or they are kept."""

CAPTION_FIELDS = ("caption", "text")
"""Fields of a .json that may hold the caption, the preferred first."""
LONGEST = 100_000
"""Characters of a caption that are looked at: cleaning (`majolica.text.clean`) cuts captions there."""
_HEAD = 512
_MOST_BYTES = 4 * LONGEST
# White space, controls, format characters such as joiners and the byte order mark, and lone surrogates.
_SILENT = frozenset({"Zs", "Zl", "Zp", "Cc", "Cf", "Cs"})


def is_blank(text: str) -> bool:
    """Whether nothing in `text` can be read: it has no characters, or white space and invisible ones alone.

    Whatever cleaning empties is blank.
    """
    return all(unicodedata.category(character) in _SILENT for character in text[:LONGEST])


def is_blank_utf8(read: Callable[[int], bytes], size: int) -> bool:
    """`is_blank` of a text of `size` bytes of UTF-8, given `read(n)`, which returns the first n of them.

    No more is read than it takes. Bytes that are not UTF-8 count as text: they say something, if not to us.
    """
    if not is_blank(read(min(size, _HEAD)).decode("utf-8", "ignore")):  # a character may be cut at the end
        return False
    return is_blank(read(min(size, _MOST_BYTES)).decode("utf-8", "replace"))


def json_caption(data: bytes) -> str | None:
    """`field_caption` of a sample's metadata as it is stored."""
    return field_caption(json_mapping(data) or {})


def field_caption(known: Mapping[str, Any]) -> str | None:
    """The caption in a sample's metadata: the first of `CAPTION_FIELDS` that is not blank.

    It is "" where those that are there are all blank, and None where there is none.
    """
    texts = [known[field] for field in CAPTION_FIELDS if isinstance(known.get(field), str)]
    return next((text for text in texts if not is_blank(text)), "" if texts else None)


def json_mapping(data: bytes) -> dict[str, Any] | None:
    """The mapping that `data` holds as JSON, or None where it is broken, a list, or a single value."""
    try:
        known = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return known if isinstance(known, dict) else None
