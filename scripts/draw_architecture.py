"""Draw docs/images/architecture.png, the figure of docs/architecture.md: `python scripts/draw_architecture.py`.

Every box stands at coordinates that are written down here, in units of which the figure is WIDTH wide. The three
pictures on the left are computed: a small drawing is noised and pooled as the model's input is, so that the figure
shows what pool-consistent noising does. It needs matplotlib, which the extras `demo` and `data` bring.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import numpy as np
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle

OUT = Path(__file__).parents[1] / "docs" / "images" / "architecture.png"
WIDTH, HEIGHT = 175.0, 76.5
MAIN, TOP = 31.0, 67.0
"""Heights of the two rows: painting runs along the first, image and text meet on the second."""
INK, QUIET, PAPER = "#22313b", "#64747f", "#ffffff"
PERCEPTION, SYNTHESIS, GLAZE, TEXT, LOSS = "#2f6690", "#b8572f", "#14888a", "#6b7f2a", "#8a3b5c"
BASE, SCALE, TIME = 48, 2, 0.55
"""Base resolution of the small pictures, k, and the flow time at which they are noised."""


def draw_apple(side: int) -> np.ndarray:
    """An apple on a teal ground, `(side, side, 3)` in [-1, 1], from four times as many samples on each side."""
    places = (np.arange(4 * side) + 0.5) / (4 * side) * 2 - 1
    x, y = np.meshgrid(places, places)
    picture = np.empty((*x.shape, 3))
    picture[:] = (0.10, 0.55, 0.56)

    def paint(inside: np.ndarray, colour: tuple[float, float, float]) -> None:
        picture[inside] = colour

    def apple(grow: float) -> np.ndarray:
        lobes = [((x - c) / (0.40 + grow)) ** 2 + ((y - 0.16) / (0.52 + grow)) ** 2 < 1 for c in (-0.2, 0.2)]
        return np.logical_or(*lobes)

    def leaf(grow: float) -> np.ndarray:
        along, across = (x - 0.24) * 0.85 - (y + 0.56) * 0.53, (x - 0.24) * 0.53 + (y + 0.56) * 0.85
        return (along / (0.27 + grow)) ** 2 + (across / (0.12 + grow)) ** 2 < 1

    stem = (np.abs(x + 0.02 - 0.12 * (y + 0.3)) < 0.05) & (y > -0.72) & (y < -0.2)
    for inside, colour in (
        (apple(0.07), (0.08, 0.08, 0.08)),
        (apple(0.0), (0.82, 0.17, 0.15)),
        (stem, (0.08, 0.08, 0.08)),
        (leaf(0.06), (0.08, 0.08, 0.08)),
        (leaf(0.0), (0.40, 0.66, 0.16)),
        (((x + 0.28) / 0.09) ** 2 + ((y + 0.02) / 0.18) ** 2 < 1, (0.97, 0.75, 0.70)),
    ):
        paint(inside, colour)
    return pool(picture, 4) * 2 - 1


def pool(picture: np.ndarray, scale: int) -> np.ndarray:
    """Means over cells of `scale` by `scale` pixels."""
    side = len(picture) // scale
    return picture.reshape(side, scale, side, scale, 3).mean((1, 3))


def show(axes: Axes, picture: np.ndarray, left: float, bottom: float, side: float, cells: int = 0) -> None:
    """A picture in [-1, 1] as a square, with the lines of a grid of patches where `cells` is given."""
    pixels = ((picture + 1) / 2).clip(0, 1)
    axes.imshow(pixels, extent=(left, left + side, bottom, bottom + side), interpolation="nearest", zorder=3)
    for i in range(1, cells):
        at = i * side / cells
        axes.plot([left + at] * 2, [bottom, bottom + side], color=PAPER, lw=0.6, zorder=4)
        axes.plot([left, left + side], [bottom + at] * 2, color=PAPER, lw=0.6, zorder=4)
    axes.add_patch(Rectangle((left, bottom), side, side, fill=False, ec=INK, lw=0.9, zorder=5))


def write(axes: Axes, x: float, y: float, text: str, size: float = 8.5, colour: str = INK, **more: Any) -> None:
    """Text whose middle is at (x, y), unless `ha` or `va` say otherwise."""
    axes.text(x, y, text, **{"size": size, "color": colour, "ha": "center", "va": "center", "zorder": 6, **more})


def box(axes: Axes, left: float, bottom: float, width: float, height: float, colour: str, **more: Any) -> None:
    """A filled box with round corners."""
    shape = FancyBboxPatch(
        (left + 1, bottom + 1), width - 2, height - 2, **{"boxstyle": "round,pad=1", "fc": colour, "ec": "none", **more}
    )
    shape.set_zorder(3)
    axes.add_patch(shape)


def part(axes: Axes, x: float, y: float, width: float, height: float, colour: str, name: str, lines: str) -> None:
    """A box around (x, y) for a part of the network: its name, and what it is made of."""
    box(axes, x - width / 2, y - height / 2, width, height, colour)
    rows = lines.count("\n") + 1
    write(axes, x, y + 1.35 * rows + 0.4, name, 11, PAPER, weight="bold")
    write(axes, x, y - 2.1, lines, 8, PAPER, linespacing=1.35)


def arrow(axes: Axes, *points: tuple[float, float], colour: str = INK) -> None:
    """A line through `points` with a head at its end."""
    axes.plot(*zip(*points[:-1], strict=True), color=colour, lw=1.5, solid_joinstyle="round", zorder=2)
    head = {"arrowstyle": "-|>,head_length=4.5,head_width=2.2", "shrinkA": 0, "shrinkB": 0, "mutation_scale": 1}
    axes.add_patch(FancyArrowPatch(points[-2], points[-1], color=colour, lw=1.5, zorder=2, **head))


def draw_inputs(axes: Axes) -> np.ndarray:
    """Picture and noise, the noised picture, and what is left of both after pooling; returns the clean picture."""
    clean = draw_apple(SCALE * BASE)
    noise = np.random.default_rng(7).standard_normal(clean.shape)
    noised = TIME * clean + (1 - TIME) * SCALE * noise
    show(axes, clean, 3, MAIN + 3, 14)
    write(axes, 10, MAIN + 19, "image $x$", 9.5)
    show(axes, noise / 2, 3, MAIN - 17, 14)
    write(axes, 10, MAIN - 19.2, r"noise $\varepsilon$", 9.5)
    for y in (MAIN + 10, MAIN - 10):
        axes.plot([17.6, 21, 21], [y, y, MAIN], color=INK, lw=1.5, solid_joinstyle="round", zorder=2)
    arrow(axes, (21, MAIN), (25.4, MAIN))
    show(axes, noised, 26, MAIN - 7, 14)
    write(axes, 33, MAIN + 13, r"$z_t=t\,x+(1-t)\,k\,\varepsilon$", 9.5)
    write(axes, 33, MAIN + 9.6, "side $k R_0$", 8, QUIET)
    arrow(axes, (40.6, MAIN), (47.9, MAIN))
    show(axes, pool(noised, SCALE), 48.5, MAIN - 4.5, 9, cells=8)
    write(axes, 53, MAIN + 7, "pooled by $k$", 8.5)
    write(axes, 53, MAIN - 7, "side $R_0$, always", 8, QUIET)
    arrow(axes, (58.1, MAIN), (64, MAIN))
    return clean


def draw_main_row(axes: Axes, clean: np.ndarray) -> None:
    """Perception, synthesis and the glaze, from the pooled picture to the prediction and its loss."""
    part(
        axes,
        75.5,
        MAIN,
        23,
        17,
        PERCEPTION,
        "Perception",
        "self-attention blocks\nnever sees text\nadaLN from time $t$",
    )
    part(
        axes,
        110,
        MAIN,
        22,
        17,
        SYNTHESIS,
        "Synthesis",
        "self-attention and\ncross-attention blocks\nadaLN from $t$ and text",
    )
    part(axes, 138, MAIN, 20, 17, GLAZE, "Glaze", "pixel decoder\nat any resolution\nmodulated by tokens")
    arrow(axes, (87, MAIN), (98.8, MAIN))
    write(axes, 92.8, MAIN + 2.2, "noisy rows", 8)
    write(axes, 92.8, MAIN - 2.1, "tokens", 8, QUIET)
    arrow(axes, (121, MAIN), (127.8, MAIN))
    write(axes, 124.2, MAIN - 2.1, "tokens", 8, QUIET)
    arrow(axes, (33, MAIN - 7.6), (33, MAIN - 15.5), (138, MAIN - 15.5), (138, MAIN - 8.7))
    write(axes, 85, MAIN - 13.5, "noisy pixels at the full resolution", 8.5)
    arrow(axes, (148, MAIN), (153.4, MAIN))
    show(axes, clean, 154, MAIN - 7, 14)
    write(axes, 161, MAIN + 9.2, r"prediction $\hat{x}$", 9.5)
    arrow(axes, (161, MAIN - 7.6), (161, MAIN - 12.6), colour=LOSS)
    box(axes, 150, MAIN - 24.5, 22, 11.7, PAPER, ec=LOSS, lw=1.4)
    write(axes, 161, MAIN - 15.9, "flow-matching loss", 8.5, LOSS, weight="bold")
    write(axes, 161, MAIN - 20.4, r"$\dfrac{\Vert\hat{x}-x\Vert^2}{k^2\,\max(1-t,\,0.05)^2}$", 9, LOSS)


def draw_text_row(axes: Axes) -> None:
    """Image embedding, contrastive loss, text tower and the condition sequence."""
    arrow(axes, (75.5, MAIN + 8.5), (75.5, TOP - 4.7))
    write(axes, 76.8, MAIN + 16.3, "clean rows,\n$t=1$", 8, ha="left", linespacing=1.3)
    box(axes, 64.5, TOP - 4.5, 22, 9, PAPER, ec=PERCEPTION, lw=1.4)
    write(axes, 75.5, TOP, "image embedding", 8.5, PERCEPTION, weight="bold")
    box(axes, 93, TOP - 5.5, 23, 11, PAPER, ec=LOSS, lw=1.4)
    write(axes, 104.5, TOP + 2.6, "contrastive loss", 8.5, LOSS, weight="bold")
    write(axes, 104.5, TOP - 1.7, "sigmoid, over all pairs\nof an optimiser step", 8, LOSS, linespacing=1.3)
    arrow(axes, (86.5, TOP), (92.8, TOP), colour=LOSS)
    part(axes, 138, TOP, 20, 13, TEXT, "Text tower", "bidirectional\ntransformer")
    arrow(axes, (128, TOP), (116.2, TOP), colour=LOSS)
    write(axes, 122.2, TOP + 3.4, "text\nembedding", 8, TEXT, linespacing=1.2)
    box(axes, 153, TOP - 6.5, 19, 13, "#eef1e4")
    write(axes, 162.5, TOP, "caption\n“a red apple on\na teal background”", 8, linespacing=1.4)
    arrow(axes, (153, TOP), (148.2, TOP))
    draw_condition(axes, MAIN + 16.3)


def draw_condition(axes: Axes, middle: float, side: float = 3.0) -> None:
    """The tokens that cross-attention reads: the sink, the caption's, the properties'."""
    left = 109.3
    for i, colour in enumerate([QUIET, *[TEXT] * 6, *[SYNTHESIS] * 3]):
        axes.add_patch(Rectangle((left + 3.6 * i, middle - side / 2), side, side, fc=colour, ec="none", zorder=3))
    write(axes, left + 1.5, middle - 3.2, "sink", 8, QUIET)
    write(axes, left + 14, middle - 3.2, "caption", 8, TEXT)
    write(axes, left + 30.3, middle - 3.2, "properties", 8, SYNTHESIS)
    write(axes, 99.8, middle, "condition", 9, weight="bold")
    axes.plot([108.4, 105.6], [middle, middle], color=INK, lw=1.5, zorder=2)
    arrow(axes, (105.6, middle), (105.6, MAIN + 8.7))
    arrow(axes, (138, TOP - 6.5), (138, TOP - 9.2), (123.7, TOP - 9.2), (123.7, middle + 1.9), colour=TEXT)
    box(axes, 153, middle - 4.5, 19, 9, "#f6e9e2")
    write(axes, 162.5, middle, "brightness, contrast,\ncolourfulness", 8, linespacing=1.4)
    arrow(axes, (153, middle), (145.8, middle), colour=SYNTHESIS)


def draw(out: Path, dots: int = 170) -> None:
    """Write the figure to `out`, with so many dots to the inch."""
    matplotlib.rcParams.update({"font.family": "DejaVu Sans", "mathtext.fontset": "cm"})
    figure = pyplot.figure(figsize=(11.5, 11.5 * HEIGHT / WIDTH), dpi=dots, facecolor=PAPER)
    axes = figure.add_axes((0, 0, 1, 1))
    draw_main_row(axes, draw_inputs(axes))
    draw_text_row(axes)
    axes.set(xlim=(0, WIDTH), ylim=(0, HEIGHT), aspect="equal")
    axes.axis("off")
    figure.savefig(out, metadata={"Software": ""})
    pyplot.close(figure)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT, help="where the figure is written")
    draw(parser.parse_args().out)
