"""Pictures on one sheet, each with its prompt written under it."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

LEAST_SIDE = 128
"""Pixels that a picture is wide at least, so that its prompt fits under it.

Smaller pictures are shown enlarged.
"""
LETTERS = 12
"""Height of the letters in pixels."""
LINES = 4
"""Lines of a prompt that are written at most; a longer prompt ends in dots."""
GAP = 8
FONTS = ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "LiberationSans-Regular.ttf", "Arial Unicode.ttf", "Arial.ttf")
"""Files that Pillow looks for among the fonts of the machine."""

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def captioned_sheet(images_B3HW: Tensor, prompts: Sequence[str], columns: int = 4) -> Image.Image:
    """Lay uint8 images out row by row on white, each above its prompt."""
    font = find_font()
    times = -(-LEAST_SIDE // images_B3HW.shape[-1])
    height, width = (side * times for side in images_B3HW.shape[-2:])
    texts = [wrap_text(prompt, font, width) for prompt in prompts]
    below = max(map(len, texts)) * (LETTERS + 3)
    columns = min(columns, len(prompts))
    rows = -(-len(prompts) // columns)
    sheet = Image.new("RGB", (columns * (width + GAP) + GAP, rows * (height + below + GAP) + GAP), "white")
    pen = ImageDraw.Draw(sheet)
    for index, (image_3HW, lines) in enumerate(zip(images_B3HW, texts, strict=True)):
        left, top = GAP + index % columns * (width + GAP), GAP + index // columns * (height + below + GAP)
        picture = Image.fromarray(image_3HW.permute(1, 2, 0).numpy())
        sheet.paste(picture.resize((width, height), Image.Resampling.NEAREST), (left, top))
        for number, line in enumerate(lines):
            pen.text((left, top + height + number * (LETTERS + 3)), line, fill="black", font=font)
    return sheet


def find_font() -> Font:
    """A font with the letters of many alphabets, from this machine or from the files of matplotlib.

    Where there is none, it is Pillow's own font, which has ASCII alone. Matplotlib is not imported,
    because that would take a second.
    """
    found = find_spec("matplotlib")
    beside = [Path(found.origin).parent / "mpl-data" / "fonts" / "ttf" / FONTS[0]] if found and found.origin else []
    for name in (*beside, *FONTS):
        with contextlib.suppress(OSError):
            return ImageFont.truetype(str(name), LETTERS)
    return ImageFont.load_default(LETTERS)


def wrap_text(text: str, font: Font, width: int) -> list[str]:
    """`text` in at most LINES lines of at most `width` pixels, broken between words if possible."""
    lines: list[str] = []
    rest = " ".join(text.split())
    while rest and len(lines) < LINES:
        line = rest
        while len(line) > 1 and font.getlength(line) > width:
            line = line.rpartition(" ")[0] or line[:-1]
        lines.append(line)
        rest = rest[len(line) :].lstrip()
    if rest:
        last = lines[-1]
        while len(last) > 1 and font.getlength(last + "...") > width:
            last = last[:-1]
        lines[-1] = last + "..."
    return lines or [""]
