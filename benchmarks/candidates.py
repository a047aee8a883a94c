"""Is it worth choosing among candidates? `python -m benchmarks.candidates --json --run runs/demo`.

For held-out captions, pictures are painted with K = 1, 2, 4, 8 candidates, and prompt fidelity is the share in which
both strict judges see what the caption names. Beside it stand, at the same captions:

* best at the end: K pictures are painted whole, and the model's own eye chooses the best one;
* guidance: one picture, with other weights of text guidance.

`cost` is the time over that of one picture with the usual guidance.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from majolica.cli import run_and_explain
from majolica.errors import Notice, UserError
from majolica.eval.begin_judges import judge_spec
from majolica.eval.judge.judge import Judge
from majolica.eval.judge.panel import Panel, panel_specs, recognise_together
from majolica.eval.run_data import find_homes, load_run_data
from majolica.sampling.candidates import candidate_seed
from majolica.sampling.pipeline import Pipeline

BATCH = 16


def best_at_the_end(pipeline: Pipeline, prompts: Sequence[str], seeds: Sequence[int], count: int) -> Tensor:
    """Paint `count` pictures of every prompt, and keep the one whose embedding is nearest to the prompt's."""
    text_BE = pipeline.embed_texts(prompts)
    painted, scores = [], []
    for place in range(count):
        own = [candidate_seed(seed, place) for seed in seeds]
        painted.append(pipeline.paint(prompts, seed=own, batch=BATCH))
        scores.append((pipeline.embed_images(painted[-1]) * text_BE).sum(1))
    best_B = torch.stack(scores).argmax(0)
    return torch.stack(painted)[best_B, torch.arange(len(prompts))]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.add_argument("--run", type=Path, default=Path("runs/demo"))
    parser.add_argument("--pictures", type=int, default=128)
    parser.add_argument("--counts", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--guidance", type=float, nargs="+", default=[1.0, 3.0, 4.0])
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore", Notice)
    torch.set_num_threads(1)
    pipeline = Pipeline.load(options.run)
    data = load_run_data(pipeline.config)
    if reason := data.explain_no_drawings():
        raise UserError(reason)
    folder = find_homes(pipeline.config)[0]
    spec = judge_spec(folder, data.names, pipeline.config)
    judges = [Judge.load_or_train(folder, one, lambda done, total: None) for one in panel_specs(spec)]
    panel = Panel.convene(judges, spec)
    source = data.prompts()
    chosen = [i * len(source) // options.pictures for i in range(min(options.pictures, len(source)))]
    prompts, seeds = [source.captions[i] for i in chosen], list(range(len(chosen)))
    index = {name: place for place, name in enumerate(data.names)}
    wanted = [{index[name] for name in source.shown(i)} for i in chosen]

    def paint(**how: Any) -> Callable[[], Tensor]:
        return partial(pipeline.paint, prompts, seed=seeds, batch=BATCH, **how)

    ways = {f"candidates {count}": paint(candidates=count) for count in options.counts}
    for count in options.counts[1:]:
        ways[f"best at the end {count}"] = partial(best_at_the_end, pipeline, prompts, seeds, count)
    ways |= {f"guidance {weight:g}": paint(guidance=weight) for weight in options.guidance}
    found: dict[str, dict[str, float]] = {}
    usual = 0.0
    for name, way in ways.items():
        start = time.perf_counter()
        images_B3HW = way()
        seconds = time.perf_counter() - start
        usual = usual or seconds
        right = recognise_together(panel.answer(images_B3HW), wanted).float().mean()
        found[name] = {"fidelity": round(float(right), 4), "cost": round(seconds / usual, 2)}
        print(name, found[name], file=sys.stderr)
    if options.json:
        print(json.dumps({"pictures": len(prompts), **found}))


if __name__ == "__main__":
    sys.exit(run_and_explain(main))
