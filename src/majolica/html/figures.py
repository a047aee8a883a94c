"""Pictures and matrices as pieces of HTML that need nothing from outside: images are embedded PNGs."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import torch
from PIL import Image
from torch import Tensor


@dataclass(frozen=True)
class Picture:
    """A uint8 picture `3HW` with its prompt, a line below, and whether that line is good news."""

    image_3HW: Tensor
    prompt: str = ""
    verdict: str = ""
    right: bool | None = None


def png(image_3HW: Tensor) -> bytes:
    """The uint8 picture as PNG bytes."""
    if image_3HW.dtype != torch.uint8 or image_3HW.ndim != 3 or image_3HW.shape[0] != 3:
        raise ValueError(f"a uint8 3HW picture is needed, got {image_3HW.dtype} {tuple(image_3HW.shape)}")
    out = io.BytesIO()
    Image.fromarray(image_3HW.permute(1, 2, 0).contiguous().numpy()).save(out, "PNG", optimize=True)
    return out.getvalue()


def img(image_3HW: Tensor, alt: str) -> str:
    """An `<img>` with the picture inside it."""
    height, width = image_3HW.shape[1:]
    data = base64.b64encode(png(image_3HW)).decode()
    source = f"data:image/png;base64,{data}"
    return f'<img src="{source}" width="{width}" height="{height}" alt="{escape(alt, quote=True)}">'


def picture_grid(pictures: Sequence[Picture], wide: bool = False) -> str:
    """Tiles with their prompts below; `wide` for fewer and larger ones."""
    return f'<div class="tiles{" wide" if wide else ""}">{"".join(map(_tile, pictures))}</div>'


def _tile(picture: Picture) -> str:
    lines = []
    if picture.prompt:
        lines.append(f"<span>{escape(picture.prompt)}</span>")
    if picture.verdict:
        mark = {True: "✓ ", False: "✗ ", None: ""}[picture.right]
        kind = {True: "good", False: "bad", None: "plain"}[picture.right]
        lines.append(f'<span class="{kind}">{mark}{escape(picture.verdict)}</span>')
    caption = f"<figcaption>{''.join(lines)}</figcaption>" if lines else ""
    return f"<figure>{img(picture.image_3HW, picture.prompt or picture.verdict)}{caption}</figure>"


def picture_rows(heads: Sequence[str], rows: Sequence[tuple[str, Sequence[Picture]]]) -> str:
    """Rows of pictures under common headings, each row below its prompt; many scroll sideways on a phone."""
    top = "".join(f"<b>{escape(head)}</b>" for head in heads)
    body = "".join(
        f'<p class="prompt">{escape(prompt)}</p><div class="row">{"".join(map(_tile, pictures))}</div>'
        for prompt, pictures in rows
    )
    return f'<div class="scroll"><div class="rows" style="--n:{len(heads)};max-width:{15 * len(heads)}rem">' + (
        f'<div class="row heads">{top}</div>{body}</div></div>'
    )


def share_matrix(values_RC: Tensor, rows: Sequence[str], columns: Sequence[str]) -> str:
    """A small table of numbers, shaded by size."""
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join(
        f"<tr><th>{escape(row)}</th>"
        + "".join(f'<td style="--v:{min(1.0, abs(value)):.2f}">{value:z.2f}</td>' for value in line)
        + "</tr>"
        for row, line in zip(rows, values_RC.tolist(), strict=True)
    )
    return f'<div class="scroll"><table class="matrix"><tr><th></th>{head}</tr>{body}</table></div>'


def confusion_heat(counts_KK: Tensor, names: Sequence[str], cell: int = 15) -> str:
    """The confusion matrix as SVG, rows shaded by their shares, right and wrong answers in two colours."""
    share_KK = counts_KK / counts_KK.sum(1, keepdim=True).clamp(min=1)
    margin = 8 + round(6.2 * max(map(len, names)))
    side = margin + cell * len(names)
    labels, cells = [], []
    for i, name in enumerate(names):
        middle = margin + cell * (i + 0.5)
        labels.append(f'<text x="{margin - 5}" y="{middle + 3:g}" text-anchor="end">{escape(name)}</text>')
        turn = f'transform="rotate(-90 {middle + 3:g} {margin - 5})"'
        labels.append(f'<text x="{middle + 3:g}" y="{margin - 5}" {turn}>{escape(name)}</text>')
    for i, j in counts_KK.nonzero().tolist():
        kind = "hit" if i == j else "miss"
        where = f'x="{margin + cell * j}" y="{margin + cell * i}" width="{cell - 1}" height="{cell - 1}"'
        title = f"{names[i]}: {int(counts_KK[i, j])} of {int(counts_KK[i].sum())} called {names[j]}"
        opacity = 0.15 + 0.85 * float(share_KK[i, j])
        rect = f'<rect class="{kind}" {where} rx="2" opacity="{opacity:.2f}">'
        cells.append(f"{rect}<title>{escape(title)}</title></rect>")
    frame = f'<rect class="ground" x="{margin}" y="{margin}" width="{side - margin}" height="{side - margin}"/>'
    return (
        f'<div class="scroll"><svg class="heat" viewBox="0 0 {side} {side}" style="min-width:{side}px" '
        f'role="img">{frame}{"".join(labels)}{"".join(cells)}</svg></div>'
    )
