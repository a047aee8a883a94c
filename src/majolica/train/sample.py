"""Sample grids: the same few captions, painted again and again from the averaged weights, to see the training."""

from __future__ import annotations

import dataclasses
import io
import json
import warnings
from collections.abc import Callable

import torch
from PIL.PngImagePlugin import PngInfo

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
"""Prompts of a grid, unless samples/prompts.txt has others."""
MOST = 64
"""Prompts of that file that are painted at most."""
STEPS = 12
"""Euler steps: enough to see what is there."""
NOT_PAINTED = "a sample grid was not painted"


class Sampler:
    """Paints the grids of a run into samples/. Its prompts are chosen once; nothing that fails here ends the run."""

    def __init__(self, run: Run, say: Callable[[str], None]) -> None:
        self.guard, self.folder = Guard(say), run.out / "samples"
        self.time = TimeShare(run.config.train.sample_share, run)
        self.prompts: list[str] = []
        if run.group.first and run.config.train.sample_every:
            self.guard(lambda: self._choose(run), NOT_PAINTED)

    def __call__(self, run: Run) -> None:
        """Paint a grid, unless grids have taken their share of the time. Every rank must call it."""
        average = ema_by_name(run)
        if not self.prompts:
            return
        if not self.time.is_left(run):
            self.guard.say_once(
                "share",
                f"the sample grid of step {run.step} is left out, as others will be: grids take no more than "
                f"{run.config.train.sample_share:.2g} of the training time (--train.sample-share)",
            )
            return
        with self.time.spend():
            self.guard(lambda: self._paint(run, average), NOT_PAINTED)

    def _choose(self, run: Run) -> None:
        path = run.out / PROMPTS

        def read(text: str) -> str:
            return run.tokenizer.normalize([text])[0]

        self.prompts = [prompt for prompt in map(read, read_prompts(path)[:MOST]) if prompt]
        if not self.prompts:
            self.prompts = choose_prompts(run.config.data, run.feed.loader.sets, COUNT, read)
            write_atomic(path, "".join(prompt + "\n" for prompt in self.prompts))

    def _paint(self, run: Run, average: dict[str, torch.Tensor]) -> None:
        text = dataclasses.replace(run.config.model.text, vocab=run.tokenizer.vocab)
        config = dataclasses.replace(run.config, model=dataclasses.replace(run.config.model, text=text))
        with swap_in_ema(average, run.model, config.train.compile), warnings.catch_warnings():
            warnings.simplefilter("ignore", Notice)  # what captions lose was said when training began
            pipeline = Pipeline(run.model, run.tokenizer, config, run.group.device)
            images_B3HW = pipeline.paint(
                self.prompts, steps=STEPS, solver="euler", seed=range(len(self.prompts)), batch=COUNT
            )
        info, content = PngInfo(), io.BytesIO()
        info.add_text("step", str(run.step))
        info.add_itxt("prompts", json.dumps(self.prompts, ensure_ascii=False))
        captioned_sheet(images_B3HW, self.prompts).save(content, "PNG", pnginfo=info)
        write_atomic(self.folder / f"{run.step:08d}.png", content.getvalue())
