"""What a run learns of a further property in a few minutes. `python -m benchmarks.extend --json --run runs/demo`.

For each property, in the same minutes on the same data and threads:

* adapter: `majolica extend`, which leaves the run's own weights as they are;
* everything: all weights of the run are trained on, with the property as one more of its own;
* lora: changes of low rank to the linear layers of synthesis, whose strength is the value (`benchmarks.lora`);
* prompt: the value is said in words of the prompt, without training (the model alone, because nothing is set);
* nothing: the property is only followed by projection, without training.
* pairs: the adapters of all the properties loaded together. For each property the other one is set to the middle of its
  values at the same time: `PROPERTY beside OTHER` says what is left of its control, which alone is that of `adapter`.

`rho` is the correlation of requested and measured values (Spearman's; for a hue the circular one) and `difference` the
mean of |requested - measured| as a share of the range, over `--prompts` prompts and `--values` values. `plain` is the
model alone; otherwise predictions are projected, as in use. `--reference` names a run that was trained with the
properties from the start.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.lora import teach_lora
from majolica.cli import run_and_explain
from majolica.config.io import load_config
from majolica.data.drawings.compose import BACKGROUNDS
from majolica.errors import Notice
from majolica.eval.brush import Brush
from majolica.eval.control.sweep import Sweep, choose_values, paint_sweep
from majolica.eval.protocol import EvalData
from majolica.eval.run_data import load_run_data
from majolica.launch.start import train
from majolica.properties.registry import can_project, find_property
from majolica.sampling.pipeline import Pipeline
from majolica.train.extend import ExtendRequest, extend
from majolica.train.lesson import LessonPlan

LORA_RATE = 0.003
"""Peak learning rate of LoRA."""


def summarise(sweep: Sweep) -> dict[str, float]:
    """Correlation and difference of a sweep."""
    found = sweep.accuracy()
    return {key: round(found[key], 4) for key in ("rho", "difference")}


def measure(
    pipeline: Pipeline, name: str, data: EvalData, options: argparse.Namespace, plain: bool
) -> dict[str, float]:
    """Correlation and difference of one property of a run."""
    prompts = data.plain_prompts(options.prompts)
    values = choose_values(name, data, options.values)
    return summarise(paint_sweep(pipeline, name, prompts, values, Brush(batch=16), plain))


def measure_both(pipeline: Pipeline, name: str, data: EvalData, options: argparse.Namespace) -> dict[str, object]:
    """The model alone, and as in use."""
    found: dict[str, object] = {"plain": measure(pipeline, name, data, options, plain=True)}
    return found | measure(pipeline, name, data, options, plain=False)


def teach(run: Path, name: str, options: argparse.Namespace, place: Path) -> Path:
    """The file of an adapter for the property."""
    out = place / f"{name}.safetensors"
    extend(ExtendRequest(run, name, out=out, plan=LessonPlan(options.minutes, seed=options.seed)), _say)
    return out


def tune_everything(run: Path, name: str, options: argparse.Namespace, place: Path) -> Pipeline:
    """A run that begins with the weights of `run`, has the property too, and trains all of them."""
    config = load_config(run / "config.yaml")
    minutes = replace(config.train, minutes=options.minutes, init_from=str(run), seed=options.seed, sample_every=0)
    config = replace(
        config,
        model=replace(config.model, properties=(*config.model.properties, name)),
        optim=replace(config.optim, lr=config.optim.lr / 4, muon_lr=config.optim.muon_lr / 4),
        train=replace(minutes, heldout_every=0, checkpoint_every=10**6),
    )
    train(config, place / f"all-{name}")
    return Pipeline.load(place / f"all-{name}")


def say_hue(value: float) -> str:
    """The background of the drawings whose hue is nearest."""
    entry, colours_B3 = find_property("hue"), torch.tensor(list(BACKGROUNDS.values())) / 255
    hues_B = entry.measure(colours_B3.float()[:, :, None, None])
    away_B = entry.miss(hues_B, torch.full_like(hues_B, value)).abs().nan_to_num(torch.inf)
    return f"{{}} on a {list(BACKGROUNDS)[int(away_B.argmin())]} background"


WORDS: dict[str, Callable[[float], str]] = {
    "hue": say_hue,
    "subject_scale": lambda value: "a large picture of {}" if value > 0.75 else "a small picture of {}",
    "sharpness": lambda value: "a sharp drawing of {}" if value > 0.5 else "a blurry drawing of {}",
}
"""How a value is said in a prompt."""


def measure_words(run: Path, name: str, data: EvalData, options: argparse.Namespace) -> dict[str, float]:
    """Correlation and difference of a property that is said in the prompt."""
    prompts, values = data.plain_prompts(options.prompts), choose_values(name, data, options.values)
    pipeline, brush = Pipeline.load(run, adapters=()), Brush(batch=16)
    turns = [brush.paint(pipeline, [WORDS[name](float(value)).format(each) for each in prompts]) for value in values]
    return summarise(Sweep(name, values, torch.stack(turns)))


def measure_pairs(adapters: dict[str, Path], data: EvalData, options: argparse.Namespace) -> dict[str, object]:
    """The control of each property by its adapter, with another one loaded and set beside it; the model alone."""
    found: dict[str, object] = {}
    for name in adapters:
        for other in adapters:
            if other == name:
                continue
            pipeline = Pipeline.load(options.run, adapters=[adapters[name], adapters[other]])
            beside = {other: float(choose_values(other, data, 3)[1])}
            prompts = data.plain_prompts(options.prompts)
            values, brush = choose_values(name, data, options.values), Brush(batch=16)
            turns = [brush.paint(pipeline, prompts, None, {name: float(value), **beside}, True) for value in values]
            found[f"{name} beside {other}"] = summarise(Sweep(name, values, torch.stack(turns)))
    return found


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.add_argument("--run", type=Path, default=Path("runs/demo"), help="trained without the properties")
    parser.add_argument("--reference", type=Path, help="trained with them")
    parser.add_argument("--properties", nargs="+", default=["hue", "subject_scale", "sharpness"])
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--ways", nargs="+", default=["adapter", "pairs", "everything", "lora", "prompt", "nothing"])
    parser.add_argument("--lora-rank", type=int, default=8)
    parser.add_argument("--prompts", type=int, default=16)
    parser.add_argument("--values", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore", Notice)
    config = load_config(options.run / "config.yaml")
    data = load_run_data(config)
    place, found = Path(tempfile.mkdtemp(prefix="majolica-extend-")), {}
    adapters: dict[str, Path] = {}
    try:
        for name in options.properties:
            result: dict[str, object] = {}
            if {"adapter", "pairs"} & {*options.ways}:
                adapters[name] = teach(options.run, name, options, place)
                taught = Pipeline.load(options.run, adapters=[adapters[name]])
                result["adapter"] = measure_both(taught, name, data, options)
            if "everything" in options.ways:
                tuned = tune_everything(options.run, name, options, place)
                result["everything"] = measure_both(tuned, name, data, options)
            if "lora" in options.ways:
                plan = LessonPlan(options.minutes, lr=LORA_RATE, seed=options.seed)
                tuned = teach_lora(options.run, name, plan, _say, options.lora_rank)
                result["lora"] = measure_both(tuned, name, data, options)
            if "prompt" in options.ways and name in WORDS:
                result["prompt"] = measure_words(options.run, name, data, options)
            if "nothing" in options.ways and can_project(name):
                untaught = Pipeline.load(options.run, adapters=())
                result["nothing"] = measure(untaught, name, data, options, plain=False)
            if options.reference:
                result["reference"] = measure_both(Pipeline.load(options.reference), name, data, options)
            found[name] = result
            _say(f"{name}: {result}")
        if "pairs" in options.ways:
            found["pairs"] = measure_pairs(adapters, data, options)
    finally:
        shutil.rmtree(place)
    if options.json:
        print(json.dumps({"minutes": options.minutes, "threads": torch.get_num_threads(), **found}))


if __name__ == "__main__":
    sys.exit(run_and_explain(main))
