"""Evaluates a run, and writes metrics.json, results.jsonl and report.html in its folder."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from majolica.callbacks import ReportProgress, ignore_progress
from majolica.config.io import load_config, to_yaml
from majolica.config.run import RunConfig
from majolica.errors import UserError
from majolica.eval import facts
from majolica.eval.begin_judges import begin_judges, judge_spec
from majolica.eval.context import Judges, make_context, without_judges
from majolica.eval.judge.panel import Panel, panel_specs
from majolica.eval.judge.spec import JudgeSpec
from majolica.eval.painters import Painters, Workload
from majolica.eval.protocol import EvalData, Evaluator, PipelineLike, Result, Split, Table, same_metrics_error
from majolica.eval.records import append_records, make_record
from majolica.eval.report import Report, write_report
from majolica.eval.request import EvaluationRequest, result_files
from majolica.eval.run_data import find_homes, load_run_data
from majolica.eval.suites import EVALUATORS, SUITES, build_evaluators, check_settings, choose_evaluators
from majolica.eval.user_properties import load_with_measures
from majolica.eval.workers import open_workers
from majolica.files import write_atomic
from majolica.machine import cores
from majolica.properties.registry import explain_unmeasured
from majolica.run.weights import BEST, choose_checkpoint, home_of, step_of

Say = Callable[[str], None]
MOST_PROCESSES = 8
CONTROL = ("control-brief", *SUITES["control"])
"""The evaluators of properties, which leave out those that cannot be measured."""


def evaluate(
    request: EvaluationRequest,
    say: Say = lambda message: None,
    progress: ReportProgress = ignore_progress,
) -> dict[str, float]:
    """Evaluate a run, write its results into its folder, and return its metrics.

    `say` is called with the name of each part as it begins. `progress` is called with the work that
    is done and the whole work, both in pictures of the base resolution.

    Raises UserError if the run or its data cannot be read, or if all evaluators lack what they need.
    """
    run = home_of(request.weights)
    place = choose_checkpoint(request.weights, say)
    trained, config = load_with_measures(place, request.property_files), load_config(run / "config.yaml")
    data = load_data_or_none(config, request, say)
    checkpoint = place if place.is_dir() else place.parent
    summary, state = facts.read_json(run / "summary.json"), facts.read_json(checkpoint / "state.json")
    spent = {**dict(summary.get("seconds", {})), **request.seconds}
    spent.setdefault("training", facts.training_metrics(config, summary, facts.read_log(run), state)["train_seconds"])
    names = choose_evaluators(request.names, data)
    check_settings(names, request.options)
    specs = choose_judges(names, config, data)
    processes = request.processes or (1 if torch.cuda.is_available() else min(cores(), MOST_PROCESSES))
    with open_workers(place, processes, request.property_files) as workers:
        tally = Workload(0, progress)
        judges = Judges(lambda: collect()[0], lambda: Panel.convene(collect()[1:], specs[0]))
        if not specs:
            judges = without_judges("the judges learn to name the drawings of `majolica data openmoji`")
        context = make_context(
            config,
            trained.properties,
            judges,
            trained.weights_sha256,
            request.options,
            request.pictures,
            run,
            tally.note_reading,
        )
        evaluators, left_out = keep_able(build_evaluators(names, context), data)
        if any(name in CONTROL for name in names):
            left_out |= explain_unmeasured(trained.properties)
        for name, reason in left_out.items():
            say(f"{name} is left out: {reason}")
        tally.total = sum(evaluator.count_paintings(data) for evaluator in evaluators.values())
        if specs:
            say("the judges of pictures")
        # Begun once the total is known, so that the progress does not fall back. The judges are asked for later.
        collect = begin_judges(find_homes(config)[0], specs, workers, tally, spent) if specs else list
        pipeline = Painters(trained, config.model.resolution, workers, tally)
        step = step_of_weights(place)

        def keep(name: str, found: Result) -> None:
            append_records(run, [make_record(name, found, trained.weights_sha256, step, spent[name])])

        results = run_evaluators(pipeline, data, evaluators, spent, say, keep)
    return write_results(run, config, data, list(results.values()), spent, request.names, left_out, state)


def load_data_or_none(config: RunConfig, request: EvaluationRequest, say: Say) -> EvalData:
    """Return what a run is evaluated on; nothing if it has moved away, and the request names pictures of its own."""
    try:
        return load_run_data(config)
    except UserError as error:
        if not (request.names and request.options.data):
            raise
        say(f"the run's own pictures are not used: {error}")
        side = config.model.resolution
        empty = Split(torch.zeros(0, 3, side, side, dtype=torch.uint8), (), ())
        return EvalData((), empty, empty)


def choose_judges(names: Sequence[str], config: RunConfig, data: EvalData) -> list[JudgeSpec]:
    """Return the specs of the judges that some evaluators ask: that of features, then those of the panel."""
    if not data.drawn or not any(EVALUATORS[name].judged for name in names):
        return []
    features = judge_spec(find_homes(config)[0], data.names, config)
    return [features, *panel_specs(features)]


def keep_able(evaluators: Mapping[str, Evaluator], data: EvalData) -> tuple[dict[str, Evaluator], dict[str, str]]:
    """Return the evaluators that have what they need, and for each of the others what it lacks.

    Raises UserError if none is left.
    """
    lacking = {name: reason for name, evaluator in evaluators.items() if (reason := evaluator.explain_lack(data))}
    if len(lacking) == len(evaluators):
        name, reason = next(iter(lacking.items()))
        raise UserError(f"{name} cannot evaluate this run: {reason}")
    return {name: each for name, each in evaluators.items() if name not in lacking}, lacking


def run_evaluators(
    pipeline: PipelineLike,
    data: EvalData,
    evaluators: Mapping[str, Evaluator],
    seconds: dict[str, float],
    say: Say,
    keep: Callable[[str, Result], None] = lambda name, result: None,
) -> dict[str, Result]:
    """Call each evaluator in turn, and add the time that it took to `seconds` under its name.

    `keep` gets each result as soon as it is found, so that it is not lost if a later evaluator fails. Raises UserError
    if an evaluator writes a metric that an earlier one has written.
    """
    results, writers = dict[str, Result](), dict[str, str]()
    for name, evaluator in evaluators.items():
        say(name)
        start = time.perf_counter()
        results[name] = evaluator(pipeline, data)
        seconds[name] = time.perf_counter() - start
        keep(name, results[name])
        for metric in results[name].metrics:
            if writers.setdefault(metric, name) != name:
                raise same_metrics_error(writers[metric], name)
    return results


def write_results(
    run: Path,
    config: RunConfig,
    data: EvalData,
    results: Sequence[Result],
    seconds: Mapping[str, float],
    names: Sequence[str] = (),
    left_out: Mapping[str, str] | None = None,
    state: Mapping[str, Any] | None = None,
) -> dict[str, float]:
    """Write metrics.json and report.html, or metrics-NAMES.json and report-NAMES.html, and return the metrics.

    `state` is the state.json of the evaluated checkpoint. Metrics that are not finite are left out.
    """
    log, summary = facts.read_log(run), facts.read_json(run / "summary.json")
    metrics = facts.training_metrics(config, summary, log, state)
    found = {name: value for result in results for name, value in result.metrics.items()}
    # JSON has neither NaN nor infinity.
    metrics = {name: value for name, value in {**found, **metrics}.items() if math.isfinite(value)}
    page_file, metrics_file = result_files(run, names)
    for name, content in (pair for result in results for pair in result.files.items()):
        write_atomic(run / name, content)
    write_atomic(metrics_file, json.dumps(metrics, indent=1, allow_nan=False))
    page = Report(
        title=f"Majolica · {config.recipe}",
        metrics=metrics,
        results=[*results, *_describe_left_out(left_out or {}, data)],
        log=log,
        facts=facts.run_facts(config, data, metrics, summary.get("machine")),
        seconds={part: spent for part, spent in seconds.items() if spent > 0},
        config=to_yaml(config),
        commands=facts.next_commands(run, config, data),
        credits=_credits(config, data),
    )
    write_report(page_file, page)
    return metrics


def step_of_weights(place: Path) -> int:
    """Return the optimiser step of the weights of a checkpoint; -1 for a file that does not say."""
    folder = place if place.is_dir() else place.parent
    step = step_of(folder.name) if folder.absolute().parent.name in ("checkpoints", BEST) else None
    return -1 if step is None else step


def _describe_left_out(left_out: Mapping[str, str], data: EvalData) -> list[Result]:
    rows = list(left_out.items())
    if data.trained_on:
        rows.insert(0, ("held-out pictures", "The run has none: those of training flatter it."))
    return [Result("What was left out", {}, (Table("", ("part", "reason"), rows),))] if rows else []


def _credits(config: RunConfig, data: EvalData) -> str:
    if not data.drawn:
        return ""
    made = facts.read_json(find_homes(config)[0] / "dataset.json")
    return f"Trained on drawings, not photographs. {made.get('attribution', '')}".strip()
