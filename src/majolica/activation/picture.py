"""Drawing the memory over a training step."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from majolica.activation.chain import Moment
from majolica.activation.choices import CHOICES, Choice
from majolica.errors import UserError
from majolica.files import write_atomic

COLOURS = dict(zip(CHOICES, ("#4c9f70", "#d1495b", "#f2c14e", "#a5c85a", "#5b7db1"), strict=True))


def draw_plan(moments: Sequence[Moment], choices: Sequence[Choice], budget: int, path: Path) -> None:
    """Draw held activations, the rest and the peak of every pass into `path`.

    A line shows the budget (bytes), and a strip below the choice of each block. Raises UserError if
    matplotlib is missing.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UserError("drawing a plan needs matplotlib: pip install 'majolica[data]'") from error
    figure = Figure(figsize=(10, 4.5), layout="constrained")
    axes, strip = figure.subplots(2, 1, sharex=True, height_ratios=(12, 1))
    positions = range(len(moments) + 1)
    held, rest, peaks = (
        [getattr(moment, name) / 1e9 for moment in [*moments, moments[-1]]] for name in ("held", "rest", "peak")
    )
    axes.stackplot(positions, held, rest, step="post", labels=("held activations", "gradients and the rest"), alpha=0.6)
    axes.step(positions, peaks, where="post", color="black", label="peak of the pass")
    axes.axhline(budget / 1e9, color="#d1495b", linestyle="--", label="budget")
    axes.axvline(len(choices), color="grey", linewidth=0.8)
    axes.set_ylabel("GB beyond weights and optimiser")
    axes.set_title("forward, then backward")
    axes.legend(loc="upper left", fontsize=8)
    for index, choice in enumerate([*choices, *reversed(choices)]):
        strip.axvspan(index, index + 1, color=COLOURS[choice], linewidth=0)
    for choice in dict.fromkeys(choices):
        strip.plot([], [], color=COLOURS[choice], linewidth=6, label=choice)
    figure.legend(handles=strip.get_lines(), loc="outside lower center", ncols=len(CHOICES), fontsize=8, frameon=False)
    strip.set_yticks([])
    strip.set_xlim(0, len(moments))
    ticks = [index for index, moment in enumerate(moments) if moment.name.endswith(" 0") and " at " not in moment.name]
    ticks = [index for index in ticks if "decoder" not in moments[index].name or index < len(choices)]
    strip.set_xticks(ticks, [moments[index].name.removesuffix(" 0") for index in ticks], fontsize=7)
    content = io.BytesIO()
    figure.savefig(content, format=path.suffix.removeprefix(".") or "png", dpi=150)
    write_atomic(path, content.getvalue())
