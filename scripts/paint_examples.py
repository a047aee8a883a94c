"""Draw pictures that a run paints beside real ones: `python scripts/paint_examples.py runs/demo docs/images/demo.png`.

The prompts are captions of the combinations split, evenly spaced: pairs of a thing and a background that training
never showed. Each is painted once, with the seed that is its number, and nothing is chosen. On the left stands what
was painted, on the right the real picture of the same caption.
"""

from __future__ import annotations

import argparse
import sys
import textwrap
from pathlib import Path

from PIL import Image, ImageDraw
from torch import Tensor

from majolica.cli import run_and_explain
from majolica.config.io import load_config
from majolica.config.resolutions import trained_sizes
from majolica.eval.brush import Brush
from majolica.eval.run_data import LIMIT, load_run_data
from majolica.sampling.pipeline import Pipeline

SIDE, GAP, TEXT = 96, 8, 26
"""Pixels: side of a picture as it is shown, space between pairs, height of a prompt."""


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--pictures", type=int, default=24)
    parser.add_argument("--columns", type=int, default=4)
    options = parser.parse_args(arguments)
    config = load_config(options.run / "config.yaml")
    size = trained_sizes(config)[-1]
    data = load_run_data(config)
    data = (data if size == config.model.resolution else data.larger(size, LIMIT) or data).prompts()
    count = min(options.pictures, len(data))
    rows = [i * len(data) // count for i in range(count)]
    prompts = [data.captions[i] for i in rows]
    painted_B3HW = Brush().paint(Pipeline.load(options.run), prompts, size)
    sheet = draw(prompts, painted_B3HW, data.images_B3HW[rows], options.columns)
    sheet.quantize(256).save(options.out, optimize=True)


def draw(prompts: list[str], painted_B3HW: Tensor, real_B3HW: Tensor, columns: int) -> Image.Image:
    """Draw one pair for each prompt, row by row."""
    width, height = 2 * SIDE + 2 + GAP, SIDE + TEXT + GAP
    sheet = Image.new("RGB", (columns * width - GAP, -(-len(prompts) // columns) * height), "white")
    pen = ImageDraw.Draw(sheet)
    for i, prompt in enumerate(prompts):
        left, top = i % columns * width, i // columns * height
        for offset, image in ((0, painted_B3HW[i]), (SIDE + 2, real_B3HW[i])):
            sheet.paste(to_picture(image), (left + offset, top))
        pen.multiline_text((left, top + SIDE + 1), textwrap.fill(prompt, 34), fill="black", spacing=1)
    return sheet


def to_picture(image_3HW: Tensor) -> Image.Image:
    """Convert a uint8 image to a picture of the side in which it is shown."""
    array = image_3HW.permute(1, 2, 0).contiguous().numpy()
    return Image.fromarray(array).resize((SIDE, SIDE), Image.Resampling.BICUBIC)


if __name__ == "__main__":
    sys.exit(run_and_explain(main))
