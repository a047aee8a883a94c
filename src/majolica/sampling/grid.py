"""Pictures side by side, for people to look at."""

from __future__ import annotations

from PIL import Image
from torch import Tensor


def tile(images_B3HW: Tensor, columns: int, gap: int = 2) -> Image.Image:
    """Lay uint8 images out row by row on white."""
    count, _, height, width = images_B3HW.shape
    rows = -(-count // columns)
    sheet = Image.new("RGB", (columns * (width + gap) - gap, rows * (height + gap) - gap), "white")
    for index, image_3HW in enumerate(images_B3HW):
        place = ((index % columns) * (width + gap), (index // columns) * (height + gap))
        sheet.paste(Image.fromarray(image_3HW.permute(1, 2, 0).numpy()), place)
    return sheet
