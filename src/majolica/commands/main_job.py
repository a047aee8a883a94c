"""The main job in one go: drawings -> shards -> vocabulary -> joint training -> evaluation -> report."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from majolica.commands.progress import bar
from majolica.config.resolutions import trained_sizes
from majolica.data.drawings.make import make_openmoji
from majolica.errors import UserError
from majolica.eval.request import EvaluationRequest
from majolica.eval.run import evaluate
from majolica.files import whole_file
from majolica.launch.start import train
from majolica.lock import hold_folder
from majolica.recipes import recipe
from majolica.sampling.grid import tile
from majolica.sampling.pipeline import Pipeline

SAMPLES = 20_000
HELD_OUT = 512


def run_demo(minutes: float, out: Path) -> None:
    """Run the whole system on embedded drawings; `out` becomes the run folder with report.html in it."""
    if (out / "config.yaml").exists():
        raise UserError(
            f"{out} already holds a run: choose another --out, or go on with `majolica train --resume {out}`"
        )
    config = recipe("demo")
    config = dataclasses.replace(config, train=dataclasses.replace(config.train, minutes=minutes))
    seconds: dict[str, float] = {}
    with time_part("drawings", seconds):
        drawings = Path(config.data.shards).parent
        with hold_folder(drawings):
            make_data(drawings, trained_sizes(config)[-1])
    with time_part("vocabulary and training", seconds):
        train(config, out)
    with time_part("evaluation", seconds), bar("evaluating") as progress:
        request = EvaluationRequest(out, processes=0, seconds={"drawings": seconds["drawings"]})
        metrics = evaluate(request, say, progress)
    show(out, metrics)


def make_data(folder: Path, resolution: int) -> None:
    """Make the drawings, unless they are there already."""
    with bar("composing") as progress:
        made = make_openmoji(folder, SAMPLES, resolution, heldout=HELD_OUT, combinations=HELD_OUT, progress=progress)
    if not made:
        say(f"the drawings in {folder} are there already")


@contextmanager
def time_part(part: str, seconds: dict[str, float]) -> Iterator[None]:
    """Announce a part and note how long it took."""
    say(f"== {part}")
    start = time.perf_counter()
    yield
    seconds[part] = time.perf_counter() - start


def show(out: Path, metrics: dict[str, float]) -> None:
    """The result in a few lines, and a picture to look at first."""
    pipeline = Pipeline.load(out)
    prompts = (
        "a fox on a teal background",
        "a hamburger on a dark green background",
        "a dolphin on a white background",
    )
    side = trained_sizes(pipeline.config)[-1]
    with whole_file(out / "first.png") as file:
        tile(pipeline.paint(prompts, size=side), 3).save(file, "PNG")
    say("")
    for name, value in metrics.items():
        say(f"{name:24} {value:,.4g}")
    say(f"\nopen {out / 'report.html'}")
    say(f'paint: majolica generate "a dolphin on a teal background" --run {out} --set brightness=0.8 --size {side}')


def say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)
