"""Which sample a member of a tar belongs to, and what it is to that sample: both follow from its name.

WebDataset's rule comes first: the key ends at the first dot, and what follows is the extension, so `000.seg.png` is
the part `seg.png` of sample `000`. A name that this rule makes nothing of ("Mt. Fuji.jpg") may be cut at its last
dot instead (key "Mt. Fuji"), unless what stands before an earlier dot is the key of a sample already: there it
is one more part of that sample.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

IMAGE, OTHER_IMAGE, UNREAD, META = "image", "other image", "unread", "json"
TEXTS = ("txt", "caption", "text")
"""Extensions of captions, the preferred first; each is a kind of its own."""
_KINDS = (
    dict.fromkeys(("jpg", "jpeg", "png", "webp"), IMAGE)
    # Used where a sample has none of the above, for these often hold masks or depth beside a picture.
    | dict.fromkeys(("jpe", "jfif", "gif", "avif", "bmp", "tif", "tiff", "ppm", "jp2"), OTHER_IMAGE)
    | dict.fromkeys(("heic", "heif", "jxl", "svg"), UNREAD)
    | {"json": META}
    | {extension: extension for extension in TEXTS}
)
"""Extension in lower case -> kind of the member. Members of other extensions are nobody's business."""

_LONGEST = 255
"""Characters of a file's name at most, as on any disk: a hostile one of a million dots would be cut a million times."""


@dataclass(frozen=True, slots=True)
class Name:
    """A member's name, understood."""

    key: str
    """Of its sample, with its folder."""
    kind: str
    dotted: bool
    """Whether the key ends at the last dot instead of the first."""


def understand(name: str) -> Name | None:
    """What the member called `name` is, or None where it is no part of a sample that we use."""
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
    """Every key that `key` would have, were its last part cut at an earlier dot."""
    folder, _, stem = key.rpartition("/")
    while "." in stem:
        stem = stem.rpartition(".")[0]
        yield f"{folder}/{stem}"
