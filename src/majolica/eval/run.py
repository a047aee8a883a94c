"""Evaluate a run: every evaluator, then metrics.json and report.html in its folder."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from majolica.config.io import load, to_yaml
from majolica.config.schema import RunConfig
from majolica.config.sizes import trained_sizes
from majolica.eval import facts
from majolica.eval.control import Control
from majolica.eval.fidelity import Fidelity
from majolica.eval.gallery import Gallery
from majolica.eval.judge import Judge
from majolica.eval.protocol import Brush, EvalData, Evaluator, Pipeline, Result
from majolica.eval.report import Report, write_report
from majolica.eval.zero_shot import ZeroShot
from majolica.files import write_atomic

Say = Callable[[str], None]
JUDGE_PIXELS = 64
"""The judge looks at no more than this: what a drawing shows is plain by then, and training stays short."""


def evaluate(
    run: Path,
    pictures: int = 256,
    brush: Brush | None = None,
    seconds: Mapping[str, float] | None = None,
    say: Say | None = None,
) -> dict[str, float]:
    """Evaluate the run in folder `run`; return its metrics.

    `pictures` is how many are painted for prompt fidelity, `brush` how (steps, guidance, seed, solver);
    `seconds` are earlier parts (data, training) for the report; `say` hears what is going on. Raises
    UserError when the run or its data cannot be read.
    """
    from majolica.sampling.pipeline import Pipeline as Trained

    say = say or _silent
    trained = Trained.load(run)
    config = load(run / "config.yaml")
    folder = facts.data_folder(config)
    data = facts.load_data(folder, config.model.resolution, how=config.data.fit)
    summary = facts.read_json(run / "summary.json")
    spent = {**dict(summary.get("seconds", {})), **dict(seconds or {})}
    took = facts.training_metrics(config, summary, facts.read_log(run))["train_seconds"]
    spent.setdefault("training", took)

    start = time.perf_counter()
    say("the judge of pictures")
    judge = _judge(folder, data, config)
    spent["the judge"] = time.perf_counter() - start
    evaluators = default_evaluators(config, judge, pictures, brush or Brush())
    results = run_evaluators(trained, data, evaluators, spent, say)
    return write_results(run, config, data, results, spent)


def default_evaluators(config: RunConfig, judge: Judge, pictures: int, brush: Brush) -> tuple[Evaluator, ...]:
    """The evaluators of the report, in its order. A new one is a file beside these and an entry here."""
    return (
        Gallery(config.model.resolution, trained_sizes(config)[-1], brush=brush),
        Control(config.model.properties, brush=brush),
        ZeroShot(),
        Fidelity(judge, pictures, brush=brush),
    )


def run_evaluators(
    pipeline: Pipeline,
    data: EvalData,
    evaluators: Sequence[Evaluator],
    seconds: dict[str, float],
    say: Say,
) -> list[Result]:
    """Call each in turn; what it took is added to `seconds` under its name."""
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
    """Write metrics.json and report.html; return the metrics."""
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


def _judge(folder: Path, data: EvalData, config: RunConfig) -> Judge:
    objects = int(facts.read_json(folder / "dataset.json").get("objects", 1))
    return Judge.load_or_train(folder, data.names, min(config.model.resolution, JUDGE_PIXELS), objects=objects)


def _credits(folder: Path) -> str:
    made = facts.read_json(folder / "dataset.json")
    return f"Trained on drawings, not photographs. {made.get('attribution', '')}".strip()


def _silent(_: str) -> None:
    pass
