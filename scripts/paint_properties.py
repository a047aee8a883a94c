"""Draw properties that are turned: `python scripts/paint_properties.py runs/demo docs/images/properties.png`.

Each row is one property at five values, on two prompts with one seed each; nothing is chosen. The requested value
stands above each picture, and below it what the picture measures.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from majolica.cli import run_and_explain
from majolica.config.io import load_config
from majolica.errors import UserError
from majolica.eval.brush import Brush
from majolica.eval.control.sweep import Sweep, choose_values, paint_sweep
from majolica.eval.run_data import load_run_data
from majolica.sampling.pipeline import Pipeline
from majolica.text.articles import with_article

SIDE, GAP, TEXT, NAME = 96, 6, 13, 104
"""Pixels: side of a picture as it is shown, space between pictures, height of a line, width of the names."""
VALUES = 5


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--properties", nargs="+", help="all of the run if not given")
    parser.add_argument("--prompts", nargs="+", help="two names of the data if not given")
    options = parser.parse_args(arguments)
    config, pipeline = load_config(options.run / "config.yaml"), Pipeline.load(options.run)
    data = load_run_data(config)
    if not options.prompts and (reason := data.explain_no_names()):
        raise UserError(reason)
    prompts = options.prompts or [with_article(name) for name in (data.names[0], data.names[len(data.names) // 2])]
    sweeps = [
        paint_sweep(pipeline, name, prompts, choose_values(name, data, VALUES), Brush())
        for name in options.properties or pipeline.properties
    ]
    draw(sweeps).quantize(256).save(options.out, optimize=True)


def draw(sweeps: list[Sweep]) -> Image.Image:
    """One row for each property, the prompts side by side."""
    columns = VALUES * sweeps[0].images_VB3HW.shape[1]
    width, height = SIDE + GAP, SIDE + 2 * TEXT + GAP
    sheet = Image.new("RGB", (NAME + columns * width + GAP, len(sweeps) * height), "white")
    pen = ImageDraw.Draw(sheet)
    for row, sweep in enumerate(sweeps):
        top, measured_VB = row * height, sweep.measurements(sweep.name)
        pen.text((0, top + TEXT + SIDE // 2 - 5), sweep.name.replace("_", " "), fill="black")
        for column in range(columns):
            prompt, value = divmod(column, VALUES)
            left = NAME + column * width + prompt * GAP
            image = Image.fromarray(sweep.images_VB3HW[value, prompt].permute(1, 2, 0).contiguous().numpy())
            sheet.paste(image.resize((SIDE, SIDE), Image.Resampling.BICUBIC), (left, top + TEXT))
            pen.text((left, top), spell(sweep.requested_V[value]), fill="black")
            pen.text((left, top + TEXT + SIDE), spell(measured_VB[value, prompt]), fill="grey")
    return sheet


def spell(value: float) -> str:
    """A value in few characters."""
    return f"{value:.0f}" if abs(value) >= 10 else f"{np.round(value, 2):g}"


if __name__ == "__main__":
    sys.exit(run_and_explain(main))
