"""Which sample a member of a tar belongs to, and which part of that sample it is. Both follow from the member's name.

WebDataset's rule comes first: the key ends at the first dot, and the rest is the extension, so `000.seg.png` is the
part `seg.png` of the sample `000`. If this rule gives no extension that we know ("Mt. Fuji.jpg"), the name is cut at
its last dot instead, and the key is "Mt. Fuji". The exception is a name that begins with the key of another sample and
a dot: it is one more part of that sample.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

IMAGE, OTHER_IMAGE, UNREAD, META = "image", "other image", "unread", "json"
TEXTS = ("txt", "caption", "text")
"""Extensions of captions, the preferred one first. Each of them is a kind of its own."""
_KINDS = (
    dict.fromkeys(("jpg", "jpeg", "png", "webp"), IMAGE)
    # These are used only if a sample has none of the above, because they often hold masks or depth beside a picture.
    | dict.fromkeys(("jpe", "jfif", "gif", "avif", "bmp", "tif", "tiff", "ppm", "jp2"), OTHER_IMAGE)
    | dict.fromkeys(("heic", "heif", "jxl", "svg"), UNREAD)
    | {"json": META}
    | {extension: extension for extension in TEXTS}
)
"""Extension in lower case -> kind of the member. Members with other extensions are ignored."""

_LONGEST = 255
"""The most characters in the name of a file, as on any disk. A hostile name with a million dots would otherwise be cut
a million times."""


@dataclass(frozen=True, slots=True)
class Name:
    """What the name of a member says."""

    key: str
    """The key of the sample, with its folder."""
    kind: str
    dotted: bool
    """Whether the key ends at the last dot instead of the first."""


def understand(name: str) -> Name | None:
    """Return what the member called `name` is, or None if it is no part of a sample that we use."""
    folder, _, rest = name.removeprefix("./").rpartition("/")
    stem, _, extension = rest.partition(".")
    if kind := _KINDS.get(extension.lower()):
        return Name(f"{folder}/{stem}", kind, False)
    if rest.startswith(".") or len(rest) > _LONGEST:
        return None
    stem, _, extension = rest.rpartition(".")
    if stem and (kind := _KINDS.get(extension.lower())):
        return Name(f"{folder}/{stem}", kind, True)
    return None


def shorter_keys(key: str) -> Iterator[str]:
    """Yield every key that `key` would be if its last part were cut at an earlier dot."""
    folder, _, stem = key.rpartition("/")
    while "." in stem:
        stem = stem.rpartition(".")[0]
        yield f"{folder}/{stem}"
