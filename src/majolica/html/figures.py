"""Pictures on a page, as data URLs: in grids, in rows under headings, or on a wall."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from majolica.html.escape import escape

LONGEST_CAPTION = 300
"""Characters of a caption that are shown."""


@dataclass(frozen=True)
class FigurePicture:
    """An encoded picture, with what stands below it."""

    source: str
    """As `data_url` makes it."""
    width: int
    """In pixels, of the picture itself where a smaller version is embedded."""
    height: int
    caption: str = ""
    verdict: str = ""
    """A second line."""
    right: bool | None = None
    """Whether the verdict is good news."""
    tip: str = ""
    """What the pointer shows."""


def data_url(content: bytes, kind: str) -> str:
    """The content of a picture file, of a `kind` such as png or jpeg, as an image address."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def img(picture: FigurePicture) -> str:
    """An `<img>` with the picture inside it."""
    alt = escape(picture.caption or picture.verdict, LONGEST_CAPTION)
    tip = f' title="{escape(picture.tip)}"' if picture.tip else ""
    return f'<img src="{picture.source}" width="{picture.width}" height="{picture.height}" alt="{alt}"{tip}>'


def picture_grid(pictures: Sequence[FigurePicture], wide: bool = False) -> str:
    """Square tiles with their captions below; `wide` for fewer and larger ones."""
    return f'<div class="tiles{" wide" if wide else ""}">{"".join(map(_tile, pictures))}</div>'


def picture_rows(heads: Sequence[str], rows: Sequence[tuple[str, Sequence[FigurePicture]]]) -> str:
    """Rows of pictures under common headings, each row below its prompt.

    Many columns scroll sideways on a phone.
    """
    top = "".join(f"<b>{escape(head)}</b>" for head in heads)
    body = "".join(
        f'<p class="prompt">{escape(prompt)}</p><div class="row">{"".join(map(_tile, pictures))}</div>'
        for prompt, pictures in rows
    )
    return f'<div class="scroll"><div class="rows" style="--n:{len(heads)};max-width:{15 * len(heads)}rem">' + (
        f'<div class="row heads">{top}</div>{body}</div></div>'
    )


def picture_wall(pictures: Sequence[FigurePicture], without_caption: str) -> str:
    """Pictures of any shape, in rows of one height.

    `without_caption` stands below those that have no caption.
    """
    return f'<div class="wall">{"".join(_wall_tile(picture, without_caption) for picture in pictures)}<s></s></div>'


def _tile(picture: FigurePicture) -> str:
    lines = []
    if picture.caption:
        lines.append(f"<span>{escape(picture.caption, LONGEST_CAPTION)}</span>")
    if picture.verdict:
        mark = {True: "✓ ", False: "✗ ", None: ""}[picture.right]
        kind = {True: ' class="good"', False: ' class="bad"', None: ""}[picture.right]
        lines.append(f"<span{kind}>{mark}{escape(picture.verdict)}</span>")
    caption = f"<figcaption>{''.join(lines)}</figcaption>" if lines else ""
    return f"<figure>{img(picture)}{caption}</figure>"


def _wall_tile(picture: FigurePicture, without_caption: str) -> str:
    ratio = min(max(picture.width / max(1, picture.height), 0.4), 3.0)
    words = escape(picture.caption, LONGEST_CAPTION) or f"<em>{escape(without_caption)}</em>"
    tip = f' title="{escape(picture.tip)}"' if picture.tip else ""
    return f'<figure style="--r:{ratio:.3f}">{img(picture)}<figcaption{tip}>{words}</figcaption></figure>'
