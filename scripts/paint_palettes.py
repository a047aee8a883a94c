"""Draw prompts in several palettes: `python scripts/paint_palettes.py runs/demo docs/images/palettes.png`.

The first row has no palette; each further row has the one that stands at its left. All pictures of a column have one
prompt and one seed; nothing is chosen.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from PIL import Image, ImageDraw

from majolica.cli import run_and_explain
from majolica.config.io import load_config
from majolica.eval.brush import Brush
from majolica.eval.run_data import load_run_data
from majolica.sampling.pipeline import Pipeline

SIDE, GAP, SWATCH = 96, 6, 20
"""Pixels: side of a picture as it is shown, space between pictures, width of a colour of a palette."""
COLUMNS = 8
PALETTES = (
    "#264653 #2a9d8f #e9c46a #f4a261 #e76f51",
    "white black crimson",
    "#283618 #606c38 #fefae0 #dda15e #bc6c25",
    "navy gold",
    "#1d3557 #457b9d #a8dadc #f1faee #e63946",
)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--palettes", nargs="+", default=PALETTES)
    options = parser.parse_args(arguments)
    config, pipeline = load_config(options.run / "config.yaml"), Pipeline.load(options.run)
    data = load_run_data(config)
    prompts, brush = data.plain_prompts(COLUMNS), Brush(batch=COLUMNS)
    left, step = 5 * SWATCH + GAP, SIDE + GAP
    sheet = Image.new("RGB", (left + COLUMNS * step, (1 + len(options.palettes)) * step), "white")
    pen = ImageDraw.Draw(sheet)
    for row, palette in enumerate([None, *options.palettes]):
        for place, colour in enumerate(palette.split() if palette else ()):
            pen.rectangle((place * SWATCH, row * step, (place + 1) * SWATCH - 1, row * step + SIDE), colour)
        images_B3HW = brush.paint(pipeline, prompts, palette=palette and [palette] * COLUMNS)
        for column, image_3HW in enumerate(images_B3HW):
            image = Image.fromarray(image_3HW.permute(1, 2, 0).contiguous().numpy())
            sheet.paste(image.resize((SIDE, SIDE), Image.Resampling.BICUBIC), (left + column * step, row * step))
    sheet.quantize(256).save(options.out, optimize=True)


if __name__ == "__main__":
    sys.exit(run_and_explain(main))
