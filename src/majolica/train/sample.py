"""Sample grids: the same captions, painted from the averaged weights as the training proceeds."""

from __future__ import annotations

import dataclasses
import io
import json
import warnings
from collections.abc import Callable

import torch
from PIL.PngImagePlugin import PngInfo

from majolica.config.model import with_vocabulary
from majolica.errors import Notice
from majolica.files import write_atomic
from majolica.sampling.pipeline import Pipeline
from majolica.sampling.sheet import captioned_sheet
from majolica.train.optim.ema import swap_in_ema
from majolica.train.prompts import PROMPTS, choose_prompts, read_prompts
from majolica.train.state import Run, ema_by_name
from majolica.train.watch.guard import Guard
from majolica.train.watch.share import TimeShare

COUNT = 16
"""Prompts of a grid, unless samples/prompts.txt exists."""
MOST_PROMPTS = 64
"""At most this many prompts of that file are painted."""
STEPS = 12
"""Euler steps of a picture; enough to judge the progress."""
NOT_PAINTED = "a sample grid was not painted"


class Sampler:
    """Paints the grids of a run into samples/.

    The prompts are chosen once. No failure here ends the run.
    """

    def __init__(self, run: Run, say: Callable[[str], None]) -> None:
        self.guard, self.folder = Guard(say), run.out / "samples"
        self.time = TimeShare(run.config.train.sample_share, "--train.sample-share", run)
        self.prompts: list[str] = []
        if run.group.first and run.config.train.sample_every:
            self.guard(lambda: self._choose_prompts(run), NOT_PAINTED)

    def __call__(self, run: Run) -> None:
        """Paint a grid, unless grids have used up their share of the time. Every rank must call it."""
        average = ema_by_name(run)
        if not self.prompts:
            return
        if not self.time.is_left(run):
            self.guard.say_once("share", self.time.describe_limit(f"the sample grid of step {run.step} is"))
            return
        with self.time.spend():
            self.guard(lambda: self._paint(run, average), NOT_PAINTED)

    def _choose_prompts(self, run: Run) -> None:
        path = run.out / PROMPTS

        def normalize(text: str) -> str:
            return run.tokenizer.normalize([text])[0]

        self.prompts = [prompt for prompt in map(normalize, read_prompts(path)[:MOST_PROMPTS]) if prompt]
        if not self.prompts:
            self.prompts = choose_prompts(run.config.data, run.feed.loader.sets, COUNT, normalize)
            write_atomic(path, "".join(prompt + "\n" for prompt in self.prompts))

    def _paint(self, run: Run, average: dict[str, torch.Tensor]) -> None:
        with swap_in_ema(average, run.model, run.config.train.compile), warnings.catch_warnings():
            warnings.simplefilter("ignore", Notice)  # `caption_notices` has said it when training began
            images_B3HW = make_pipeline(run).paint(
                self.prompts, steps=STEPS, solver="euler", seed=range(len(self.prompts)), batch=COUNT
            )
        info, content = PngInfo(), io.BytesIO()
        info.add_text("step", str(run.step))
        info.add_itxt("prompts", json.dumps(self.prompts, ensure_ascii=False))
        captioned_sheet(images_B3HW, self.prompts).save(content, "PNG", pnginfo=info)
        write_atomic(self.folder / f"{run.step:08d}.png", content.getvalue())


def make_pipeline(run: Run) -> Pipeline:
    """Return the pipeline of a run in training, for as long as its model has the averaged weights (`swap_in_ema`)."""
    config = dataclasses.replace(run.config, model=with_vocabulary(run.config.model, run.tokenizer.vocab))
    return Pipeline(run.model, run.tokenizer, config, run.group.device)
