"""Is one model worth it? The joint model against two that share its compute: `python -m benchmarks.joint --json`.

For each seed and each number of minutes, seven models train on the same data, one after the other: the joint one for
all the minutes; an eye (contrastive loss alone) and a painter (flow-matching loss alone) for half of them each, which
together cost what the joint model costs; an eye for a quarter and a painter for three quarters of them, which is about
how the joint model spends its own time; and an eye and a painter for all of them. All have the same network and
options, but for the loss and the rows that it needs. Zero-shot accuracy is measured for those that see, on held-out
renders as they are, in grey, and with their hue turned. Prompt fidelity and the Frechet distance are measured for
those that paint, by the same judges.

The whole takes about twenty hours on two cores. With `--runs FOLDER` every run is kept there, and one that is measured
already is not trained again, so that the benchmark can be stopped and go on, and some models can be left for later
(`--models`).
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from majolica.cli import run_and_explain
from majolica.commands.main_job import make_data
from majolica.config.io import load_config, save_config
from majolica.config.resolutions import trained_sizes
from majolica.config.run import RunConfig
from majolica.errors import UserError
from majolica.eval.request import EvaluationRequest
from majolica.eval.run import evaluate
from majolica.files import write_atomic
from majolica.launch.start import train
from majolica.recipes import recipe

SEES = ("zero_shot_top1", "zero_shot_grey", "zero_shot_hue")
PAINTS = ("prompt_fidelity", "fd")
ARMS = {
    "joint": ("joint", 1.0),
    "half eye": ("eye", 0.5),
    "half painter": ("painter", 0.5),
    "quarter eye": ("eye", 0.25),
    "three-quarter painter": ("painter", 0.75),
    "eye": ("eye", 1.0),
    "painter": ("painter", 1.0),
}
"""What each model learns, and for which share of the minutes."""


MEASURED = {
    "joint": ("zero-shot", "fidelity", "likeness"),
    "eye": ("zero-shot",),
    "painter": ("fidelity", "likeness"),
}
"""The evaluators of each model."""


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.add_argument("--minutes", type=float, nargs="+", default=[5.0, 10.0, 20.0, 40.0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--pictures", type=int, default=256, help="pictures that are painted for each model")
    parser.add_argument("--data", type=Path, default=Path("data/openmoji"), help="the drawings; made if not there")
    parser.add_argument("--models", choices=tuple(ARMS), nargs="+", default=[*ARMS], help="those to train; usually all")
    parser.add_argument("--runs", type=Path, help="folder where runs are kept, and those of before are found")
    options = parser.parse_args(arguments)
    make_data(options.data, trained_sizes(recipe("demo"))[-1])
    found: dict[str, object] = {"seeds": options.seeds, "pictures": options.pictures}
    for minutes in options.minutes:
        runs = [measure_seed(options, minutes, seed) for seed in options.seeds]
        found[f"{minutes:g} minutes"] = compare(runs) | {"runs": runs}
    if options.json:
        print(json.dumps(found))


def measure_seed(options: argparse.Namespace, minutes: float, seed: int) -> dict[str, dict[str, float]]:
    """The metrics of every model that is asked for, trained one after the other."""
    found = {}
    for arm in options.models:
        name = f"{minutes:g}-minutes-seed-{seed}-{arm.replace(' ', '-')}"
        with nullcontext(options.runs) if options.runs else tempfile.TemporaryDirectory() as folder:
            found[arm] = measure(options.data, arm, minutes, seed, options.pictures, Path(folder) / name)
        print(f"{minutes:g} minutes, seed {seed}, {arm}: {found[arm]}", file=sys.stderr, flush=True)
    return found


def measure(data: Path, arm: str, minutes: float, seed: int, pictures: int, run: Path) -> dict[str, float]:
    """The metrics of one model, which is trained to the folder `run`; what was done there already is not done again.

    Raises UserError if a run of other settings lies there.
    """
    learns, share = ARMS[arm]
    config, begun = configure(data, learns, share * minutes, seed), run / "config.yaml"
    asked, measured = run.with_name(f"{run.name}.yaml"), run.with_name(f"{run.name}-{pictures}-pictures.json")
    if not asked.exists():
        save_config(config, asked)
    elif load_config(asked) != config:
        raise UserError(f"{run} was trained with other settings: name another folder with --runs")
    if measured.exists():
        return dict(json.loads(measured.read_text(encoding="utf-8")))
    train(load_config(begun) if begun.exists() else config, run, resume=begun.exists())
    metrics = evaluate(EvaluationRequest(run, MEASURED[learns], pictures, processes=0))
    wanted = [*(SEES if learns != "painter" else ()), *(PAINTS if learns != "eye" else ()), "samples_seen"]
    found = {name: round(metrics[name], 4) for name in wanted}
    write_atomic(measured, json.dumps(found))
    return found


def configure(data: Path, learns: str, minutes: float, seed: int) -> RunConfig:
    """The demo's recipe, with one of its losses taken away if it is not to learn both."""
    config = recipe("demo")
    rows, loss = config.train.batch, config.loss
    if learns == "eye":  # one noisy row stays, which weighs nothing
        share = (rows - 1) / rows
        loss = replace(loss, flow=0.0, clean_share=share, clean_share_end=share, fine_share=0.0)
    elif learns == "painter":
        loss = replace(loss, contrastive=0.0, clean_share=0.0, clean_share_end=0.0)
    return replace(
        config,
        data=replace(config.data, shards=str(data / "train")),
        loss=loss,
        train=replace(config.train, minutes=minutes, seed=seed, sample_every=0, heldout_every=0),
    )


def compare(runs: Sequence[dict[str, dict[str, float]]]) -> dict[str, float]:
    """Medians over the seeds: ratios of distances and differences of shares, the joint model first.

    A comparison with a model that was not trained is left out.
    """
    found = {}

    def add(name: str, measure: str, other: str, ratio: bool = False) -> None:
        pairs = [(run["joint"][measure], run[other][measure]) for run in runs if run.keys() >= {"joint", other}]
        if pairs:
            found[name] = round(statistics.median(a / b if ratio else a - b for a, b in pairs), 4)

    add("joint_over_split_fd", "fd", "half painter", ratio=True)
    add("joint_over_quarter_split_fd", "fd", "three-quarter painter", ratio=True)
    add("joint_over_generation_fd", "fd", "painter", ratio=True)
    add("fidelity_minus_split", "prompt_fidelity", "half painter")
    add("fidelity_minus_quarter_split", "prompt_fidelity", "three-quarter painter")
    add("fidelity_minus_generation", "prompt_fidelity", "painter")
    for measure in SEES:
        add(f"{measure}_minus_split", measure, "half eye")
        add(f"{measure}_minus_quarter_split", measure, "quarter eye")
        add(f"{measure}_minus_contrastive", measure, "eye")
    return found


if __name__ == "__main__":
    sys.exit(run_and_explain(main))
