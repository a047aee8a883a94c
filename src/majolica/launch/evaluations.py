"""Evaluates a run while it is trained, with the averaged weights, and keeps the checkpoint that does best."""

from __future__ import annotations

import math
import random
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial

import numpy as np
import torch
from torch import Tensor

from majolica.config.evaluation import EvaluatorConfig
from majolica.distributed.group import any_rank, broadcast_in_place, broadcast_number
from majolica.errors import Notice, UserError, unknown_name
from majolica.eval.protocol import Result
from majolica.eval.records import append_records, make_record
from majolica.eval.run_data import load_run_data
from majolica.files import write_atomic
from majolica.launch.chosen_evaluators import DueEvaluator, build_unjudged, find_usable
from majolica.launch.shared_pipeline import SharedPipeline, serve_first_rank
from majolica.run.best import find_best, keep_best
from majolica.run.weights import hash_averaged
from majolica.train.optim.ema import swap_in_ema
from majolica.train.sample import make_pipeline
from majolica.train.state import Run, ema_by_name, save
from majolica.train.watch.guard import Guard
from majolica.train.watch.log import Log

EVALUATED = "eval"
"""Before the slash of every metric of an evaluator in log.jsonl: `eval/zero-shot/zero_shot_top1`."""


class Evaluations:
    """The evaluators of a run. A failure of one does not end the run.

    They are built anew each time, so that nothing that one has kept, such as pictures that were painted with
    earlier weights, can enter a later result.
    """

    def __init__(self, run: Run, log: Log | None, stop: Callable[[], bool] = lambda: False) -> None:
        """`log` is None on all ranks but the first; `stop` says whether to end. Every rank must construct it."""
        self.log, self.stop = log, stop
        self.guards: dict[str, Guard] = {}
        """By evaluator, so that each says once how it fails."""
        self.metrics: set[str] = set()
        """The names of all metrics so far."""
        self.measured: set[str] = set()
        """The names of all evaluators that have given metrics so far."""
        self.givers: set[str] = set()
        """The names of those of them that have given the metric of the best checkpoint."""
        self.evaluators: list[DueEvaluator] = []
        train = run.config.train
        if log and any(train.evaluation_cadences):
            self.guard = Guard(log.say)
            self.data = load_run_data(run.config)
            self.evaluators, lines = find_usable(run.config, self.data)
            self.guards = {name: Guard(log.say) for _, name, _ in self.evaluators}
            for line in lines:
                log.say(line)
        self.present = bool(broadcast_number(len(self.evaluators), run.group))
        """Whether the first rank has evaluators: every rank knows it."""

    def __call__(self, run: Run) -> None:
        """Evaluate with the evaluators that are due after this step. Every rank must call it."""
        due = {name: options for every, name, options in self.evaluators if run.plan.is_due(run.step, every)}
        if not self.present or not broadcast_number(len(due), run.group):
            return
        results: dict[str, Result] = {}
        average = gather_average(run)
        with swap_in_ema(average, run.model, run.config.train.compile), keep_randomness():
            pipeline = make_pipeline(run)
            if self.log:
                results = self._evaluate(SharedPipeline(pipeline, run.group), due, run)
            else:
                serve_first_rank(pipeline, run.group)
        self.measured |= results.keys()
        if run.config.train.best_metric:
            self._keep_best(run, results)

    def _evaluate(self, pipeline: SharedPipeline, due: Mapping[str, EvaluatorConfig], run: Run) -> dict[str, Result]:
        assert self.log
        results: dict[str, Result] = {}
        for name, options in due.items():
            if self.stop():
                self.log.say(f"step {run.step}: {name} is not evaluated, because the training is to end")
                continue
            self.log.say(f"step {run.step}: evaluating {name}")

            def work(name: str = name, options: EvaluatorConfig = options) -> None:
                start = time.perf_counter()
                evaluator = build_unjudged(options, run.config, run.out)[name]
                results[name] = found = evaluator(pipeline, self.data)
                weights = find_hash(run)
                for file, content in found.files.items():
                    write_atomic(run.out / file, content)
                append_records(run.out, [make_record(name, found, weights, run.step, time.perf_counter() - start)])

            self.guards[name](work, f"{name} was not evaluated at step {run.step}")
            if name in results:
                metrics = results[name].metrics
                self.log.add(run.step, {f"{EVALUATED}/{name}/{metric}": value for metric, value in metrics.items()})
                shown = "  ".join(f"{metric} {value:.4g}" for metric, value in list(metrics.items())[:6])
                self.log.say(f"step {run.step} {name}: {shown}")
        pipeline.close()
        return results

    def _keep_best(self, run: Run, results: Mapping[str, Result]) -> None:
        train, better = run.config.train, False
        metrics = {name: value for each in results.values() for name, value in each.metrics.items()}
        self.metrics |= metrics.keys()
        self.givers |= {name for name, each in results.items() if train.best_metric in each.metrics}
        if self.log and len(self.givers) > 1:
            both = " and ".join(sorted(self.givers))
            self.guard.say_once("givers", f"no best checkpoint is kept: {both} give {train.best_metric}; name one only")
        elif self.log and math.isfinite(metrics.get(train.best_metric, math.nan)):
            value = metrics[train.best_metric]
            try:
                best = find_best(run.out)
                better = best is None or best.metric != train.best_metric or is_better(value, best.value, train.best_is)
            except UserError as error:
                self.guard.say_once("best", f"no best checkpoint is kept: {error}")
        elif self.log and train.best_metric not in self.metrics and self._have_all_measured(run):
            unknown = unknown_name("metric", train.best_metric, sorted(self.metrics))
            self.guard.say_once("metric", f"no best checkpoint is kept: {unknown}")
        if not any_rank(better, run.group):
            return
        say = self.log.say if self.log else lambda message: None
        if run.saved != run.step:
            save(run, say)
        if self.log:
            self.guard(partial(self._keep, run, metrics[train.best_metric]), "the best checkpoint was not kept")

    def _have_all_measured(self, run: Run) -> bool:
        """Whether no further metrics are to be expected."""
        return run.step >= run.plan.steps or self.measured == {name for _, name, _ in self.evaluators}

    def _keep(self, run: Run, value: float) -> None:
        assert self.log
        metric = run.config.train.best_metric
        keep_best(run.out, run.step, metric, value)
        self.log.say(f"step {run.step} is the best so far: {metric} {value:.4g}")


def find_hash(run: Run) -> str:
    """Return the SHA-256 of the averaged weights of the checkpoint of this step; "" if there is none."""
    try:
        return hash_averaged(run.out / "checkpoints" / f"{run.step:08d}") if run.saved == run.step else ""
    except OSError:  # a full disk has cost the checkpoint
        return ""


def is_better(value: float, before: float, best_is: str) -> bool:
    """Return whether a value is better than the one before it, if the best is the "highest" or the "lowest"."""
    return value > before if best_is == "highest" else value < before


def gather_average(run: Run) -> dict[str, Tensor]:
    """Return all averaged weights on every rank. Every rank must call it."""
    average = ema_by_name(run)
    if run.shard.is_sharded:  # they were gathered on the first rank alone
        if not run.group.first:
            average = {name: torch.empty_like(value, device="cpu") for name, value in run.model.named_parameters()}
        average = {name: average[name].cpu() for name, _ in run.model.named_parameters()}
        broadcast_in_place(average.values(), run.group)
    return average


@contextmanager
def keep_randomness() -> Iterator[None]:
    """Restore all global generators after the `with` block, so that training goes on as if it had not been there."""
    python, numbers = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(), warnings.catch_warnings():
            warnings.simplefilter("ignore", Notice)
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numbers)
