"""Evaluates a run with every evaluator, and writes metrics.json and report.html in its folder."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch

from majolica.config.io import load, to_yaml
from majolica.config.resolutions import trained_sizes
from majolica.config.run import RunConfig
from majolica.eval import facts
from majolica.eval.brush import Brush
from majolica.eval.evaluators.control import Control
from majolica.eval.evaluators.fidelity import Fidelity
from majolica.eval.evaluators.gallery import Gallery
from majolica.eval.evaluators.likeness import Likeness
from majolica.eval.evaluators.zero_shot import ZeroShot
from majolica.eval.judge.judge import Judge
from majolica.eval.judge.spec import JudgeSpec
from majolica.eval.painters import Painters, Workload
from majolica.eval.paintings import Paintings
from majolica.eval.protocol import EvalData, Evaluator, PipelineLike, Result
from majolica.eval.report import Report, write_report
from majolica.eval.request import EvaluationRequest
from majolica.eval.workers import Workers, open_workers
from majolica.files import write_atomic
from majolica.machine import cores

Say = Callable[[str], None]
JUDGE_PIXELS = 64
"""The largest side, in pixels, of the pictures that the judge reads.

A drawing can be recognised at that size, and the training of the judge stays short.
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

    say("the judge of pictures")
    processes = request.processes or (1 if torch.cuda.is_available() else min(cores(), MOST_PROCESSES))
    with open_workers(run, processes) as workers:
        tally = Workload(0, progress)
        judge = _begin_judge(folder, judge_spec(folder, data.names, config), workers, tally, spent)
        evaluators = default_evaluators(config, judge, request.pictures, request.brush)
        tally.total = sum(evaluator.paintings(data) for evaluator in evaluators)
        pipeline = Painters(trained, config.model.resolution, workers, tally)
        results = run_evaluators(pipeline, data, evaluators, spent, say)
    return write_results(run, config, data, results, spent)


def default_evaluators(
    config: RunConfig, judge: Judge | Callable[[], Judge], pictures: int, brush: Brush
) -> tuple[Evaluator, ...]:
    """Return the evaluators, in the order of the report.

    A new evaluator needs a file in `eval/evaluators/` and an entry here.
    """
    painted = Paintings(pictures, brush)
    return (
        Gallery(config.model.resolution, trained_sizes(config)[-1], brush=brush),
        Control(config.model.properties, brush=brush),
        ZeroShot(),
        Fidelity(judge, painted),
        Likeness(judge, painted, config.model.patch),
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
    run: Path, config: RunConfig, data: EvalData, results: Sequence[Result], seconds: Mapping[str, float]
) -> dict[str, float]:
    """Write metrics.json and report.html, and return the metrics."""
    log, summary = facts.read_log(run), facts.read_json(run / "summary.json")
    metrics = facts.training_metrics(config, summary, log)
    found = {name: value for result in results for name, value in result.metrics.items()}
    metrics = {**found, **metrics}
    write_atomic(run / "metrics.json", json.dumps(metrics, indent=1))
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
    write_report(run / "report.html", page)
    return metrics


def judge_spec(folder: Path, names: tuple[str, ...], config: RunConfig) -> JudgeSpec:
    """Return the spec of the judge that suits a data folder and a run."""
    objects = int(facts.read_json(folder / "dataset.json").get("objects", 1))
    return JudgeSpec(names, min(config.model.resolution, JUDGE_PIXELS), objects)


def _begin_judge(
    folder: Path, spec: JudgeSpec, workers: Workers | None, tally: Workload, seconds: dict[str, float]
) -> Callable[[], Judge]:
    """Load or train the judge here, or have a worker do so.

    Returns a function that waits for the judge, returns it, and writes its time into `seconds`.
    """
    if workers is None:

        def note(done: int, total: int) -> None:
            tally.judge_share = lambda: done / total
            tally.show()

        start = time.perf_counter()
        judge = Judge.load_or_train(folder, spec, note)
        tally.judge_share = lambda: 1.0
        seconds["the judge"] = time.perf_counter() - start
        return lambda: judge
    tally.judge_share = workers.judge_share
    training = workers.train_judge(folder, spec)

    def collect() -> Judge:
        [(content, seconds["the judge"])] = workers.wait_for([training], tally.show)
        return Judge.from_bytes(content)

    return collect


def _credits(folder: Path) -> str:
    made = facts.read_json(folder / "dataset.json")
    return f"Trained on drawings, not photographs. {made.get('attribution', '')}".strip()
