"""Begins to train the judges of an evaluation, and waits for them when they are asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from majolica.config.run import RunConfig
from majolica.eval.facts import read_json
from majolica.eval.judge.judge import Judge
from majolica.eval.judge.spec import JudgeSpec
from majolica.eval.painters import Workload
from majolica.eval.workers import Workers

JUDGE_PIXELS = 64
"""The largest side, in pixels, of the pictures that the judges read.

A drawing can be recognised at that size, and the training of the judges stays short.
"""


def judge_spec(folder: Path, names: tuple[str, ...], config: RunConfig) -> JudgeSpec:
    """Return the spec of the judge of features that suits a data folder and a run."""
    objects = int(read_json(folder / "dataset.json").get("objects", 1))
    return JudgeSpec(names, min(config.model.resolution, JUDGE_PIXELS), objects)


def begin_judges(
    folder: Path, specs: Sequence[JudgeSpec], workers: Workers | None, tally: Workload, seconds: dict[str, float]
) -> Callable[[], list[Judge]]:
    """Load or train the judges here, or have workers do so.

    Returns a function that waits for the judges, returns them, and writes their time into `seconds`.
    """
    if workers is None or not specs:
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
