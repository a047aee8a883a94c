"""Evaluates a run with every evaluator, and writes metrics.json and report.html in its folder."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

from majolica.config.io import load, to_yaml
from majolica.config.resolutions import trained_sizes
from majolica.config.run import RunConfig
from majolica.eval import facts
from majolica.eval.brush import Brush
from majolica.eval.evaluators.control import Control
from majolica.eval.evaluators.control_limits import ControlLimits
from majolica.eval.evaluators.detail import Detail
from majolica.eval.evaluators.fidelity import Fidelity
from majolica.eval.evaluators.gallery import Gallery
from majolica.eval.evaluators.likeness import Likeness
from majolica.eval.evaluators.zero_shot import ZeroShot
from majolica.eval.judge.judge import Judge
from majolica.eval.judge.panel import Panel, panel_specs
from majolica.eval.judge.spec import JudgeSpec
from majolica.eval.painters import Painters, Workload
from majolica.eval.paintings import Paintings
from majolica.eval.protocol import EvalData, Evaluator, PipelineLike, Result
from majolica.eval.report import Report, write_report
from majolica.eval.request import EvaluationRequest, result_files
from majolica.eval.workers import Workers, open_workers
from majolica.files import write_atomic
from majolica.machine import cores
from majolica.properties.registry import choose_measured

Say = Callable[[str], None]
JUDGE_PIXELS = 64
"""The largest side, in pixels, of the pictures that the judges read.

A drawing can be recognised at that size, and the training of the judges stays short.
"""
MOST_PROCESSES = 8


def evaluate(
    request: EvaluationRequest,
    say: Say = lambda message: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, float]:
    """Evaluate a run, write metrics.json and report.html into its folder, and return its metrics.

    `say` is called with the name of each part as it begins. `progress` is called with the work that
    is done and the whole work, both in pictures of the base resolution.

    Raises UserError if the run or its data cannot be read.
    """
    from majolica.sampling.pipeline import Pipeline

    run = request.run
    trained = Pipeline.load(run)
    config = load(run / "config.yaml")
    folder = facts.data_folder(config)
    data = facts.load_data(folder, config.model.resolution, how=config.data.fit)
    summary = facts.read_json(run / "summary.json")
    spent = {**dict(summary.get("seconds", {})), **request.seconds}
    took = facts.training_metrics(config, summary, facts.read_log(run))["train_seconds"]
    spent.setdefault("training", took)

    say("the judges of pictures")
    processes = request.processes or (1 if torch.cuda.is_available() else min(cores(), MOST_PROCESSES))
    with open_workers(run, processes) as workers:
        tally = Workload(0, progress)
        spec = judge_spec(folder, data.names, config)
        judges = Judges(lambda: collect()[0], lambda: Panel.convene(collect()[1:], spec))
        evaluators = (
            control_evaluators(choose_measured(trained.properties), judges, request.brush)
            if request.suite == "control"
            else default_evaluators(config, judges, request.pictures, request.brush)
        )
        tally.total = sum(evaluator.paintings(data) for evaluator in evaluators)
        # Begun once the total is known, so that the progress does not fall back. The judges are asked for later.
        collect = _begin_judges(folder, [spec, *panel_specs(spec)], workers, tally, spent)
        pipeline = Painters(trained, config.model.resolution, workers, tally)
        results = run_evaluators(pipeline, data, evaluators, spent, say)
    return write_results(run, config, data, results, spent, request.suite)


@dataclass(frozen=True)
class Judges:
    """Functions that wait until the judges are trained, and return them."""

    features: Callable[[], Judge]
    """The judge whose features the Frechet distance compares."""
    panel: Callable[[], Panel]
    """The strict judges, which decide on prompt fidelity."""


def control_evaluators(properties: tuple[str, ...], judges: Judges, brush: Brush) -> tuple[Evaluator, ...]:
    """Return the evaluators of the suite `control`: more prompts, seeds and values than usual, and its limits."""
    return (
        Control(properties, prompts=16, seeds=2, values=9, brush=brush),
        Control(properties, brush=brush, plain=True, name="control by the model alone"),
        ControlLimits(properties, judges.panel, brush=brush),
    )


def default_evaluators(config: RunConfig, judges: Judges, pictures: int, brush: Brush) -> tuple[Evaluator, ...]:
    """Return the evaluators, in the order of the report.

    A new evaluator needs a file in `eval/evaluators/` and an entry here.
    """
    painted, base, largest = Paintings(pictures, brush), config.model.resolution, trained_sizes(config)[-1]
    return (
        Gallery(base, largest, brush=brush),
        Control(choose_measured(config.model.properties), brush=brush),
        ZeroShot(),
        Fidelity(judges.panel, painted),
        Likeness(judges.features, painted, config.model.patch),
        Detail(base, largest // base, config.model.patch, min(pictures, Detail.pictures), brush=brush),
    )


def run_evaluators(
    pipeline: PipelineLike,
    data: EvalData,
    evaluators: Sequence[Evaluator],
    seconds: dict[str, float],
    say: Say,
) -> list[Result]:
    """Call each evaluator in turn, and add the time that it took to `seconds` under its name."""
    results = []
    for evaluator in evaluators:
        say(evaluator.name)
        start = time.perf_counter()
        results.append(evaluator(pipeline, data))
        seconds[evaluator.name] = time.perf_counter() - start
    return results


def write_results(
    run: Path,
    config: RunConfig,
    data: EvalData,
    results: Sequence[Result],
    seconds: Mapping[str, float],
    suite: str = "",
) -> dict[str, float]:
    """Write metrics.json and report.html, or metrics-SUITE.json and report-SUITE.html, and return the metrics."""
    log, summary = facts.read_log(run), facts.read_json(run / "summary.json")
    metrics = facts.training_metrics(config, summary, log)
    found = {name: value for result in results for name, value in result.metrics.items()}
    metrics = {**found, **metrics}
    page_file, metrics_file = result_files(run, suite)
    write_atomic(metrics_file, json.dumps(metrics, indent=1))
    page = Report(
        title=f"Majolica · {config.recipe}",
        metrics=metrics,
        results=results,
        log=log,
        facts=facts.run_facts(config, data, metrics, summary.get("machine")),
        seconds={part: spent for part, spent in seconds.items() if spent > 0},
        config=to_yaml(config),
        commands=facts.next_commands(run, config, data),
        credits=_credits(facts.data_folder(config)),
    )
    write_report(page_file, page)
    return metrics


def judge_spec(folder: Path, names: tuple[str, ...], config: RunConfig) -> JudgeSpec:
    """Return the spec of the judge of features that suits a data folder and a run."""
    objects = int(facts.read_json(folder / "dataset.json").get("objects", 1))
    return JudgeSpec(names, min(config.model.resolution, JUDGE_PIXELS), objects)


def _begin_judges(
    folder: Path, specs: Sequence[JudgeSpec], workers: Workers | None, tally: Workload, seconds: dict[str, float]
) -> Callable[[], list[Judge]]:
    """Load or train the judges here, or have workers do so.

    Returns a function that waits for the judges, returns them, and writes their time into `seconds`.
    """
    if workers is None:
        judges = []
        for index, spec in enumerate(specs):

            def note(done: int, total: int, before: int = index) -> None:
                tally.judge_share = lambda: (before + done / total) / len(specs)
                tally.show()

            start = time.perf_counter()
            judges.append(Judge.load_or_train(folder, spec, note))
            seconds["the judges"] = seconds.get("the judges", 0.0) + time.perf_counter() - start
        tally.judge_share = lambda: 1.0
        return lambda: judges
    tally.judge_share = workers.judge_share
    training = [workers.train_judge(folder, spec) for spec in specs]

    @cache
    def collect() -> list[Judge]:
        found = workers.wait_for(training, tally.show)
        seconds["the judges"] = sum(took for _, took in found)
        return [Judge.from_bytes(content) for content, _ in found]

    return collect


def _credits(folder: Path) -> str:
    made = facts.read_json(folder / "dataset.json")
    return f"Trained on drawings, not photographs. {made.get('attribution', '')}".strip()
