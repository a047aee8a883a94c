"""What a resume is refused for, found out from the run folder before a model is built or a tensor is read."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from majolica.config.idle import check_idle
from majolica.config.io import load_config
from majolica.config.lasting import check_lasting, lasting_options
from majolica.config.paths import make_paths_absolute
from majolica.config.run import RunConfig
from majolica.errors import UserError
from majolica.run.companions import STATE, check_companions
from majolica.run.step_plan import StepPlan, begin_plan, resume_plan
from majolica.run.weights import checkpoints, latest, step_of


def check_resume(config: RunConfig, out: Path) -> dict[str, Any] | None:
    """The state of the newest checkpoint in `out`, once it is clear that `config` may go on from it.

    None where there is no checkpoint yet: such a run begins at step 0, with whatever options. UserError names the
    options that may not change; what the data are refused for is known when they are open (`Feed.load`).
    """
    if not checkpoints(out):
        return None
    folder, _ = latest(out, [STATE])
    state: dict[str, Any] = json.loads((folder / STATE).read_text())
    check_options(state, config, out)
    return state


def find_plan(config: RunConfig, out: Path, resume: bool) -> StepPlan:
    """Return the plan of the steps that training `config` into `out` would begin or go on with."""
    state = check_resume(config, out) if resume else None
    return resume_plan(config, state) if state else begin_plan(config)


def finished_step(config: RunConfig, out: Path) -> int | None:
    """The step at which the run in `out` has ended, where `config` leaves nothing to train and nothing to change.

    Else None; UserError as `check_resume`.
    """
    state, path = check_resume(config, out), out / "config.yaml"
    if not state or state["step"] < resume_plan(config, state).steps or not path.is_file():
        return None
    before = load_config(path)
    asked = dataclasses.replace(config, train=dataclasses.replace(config.train, steps=before.train.steps))
    if make_paths_absolute(asked) != make_paths_absolute(before):  # say, a place that the data have moved to
        return None
    folder, _ = latest(out)  # whole, or an older one has to be trained on from
    return step_of(folder.name) if step_of(folder.name) == state["step"] else None


def check_options(state: dict[str, Any], config: RunConfig, out: Path) -> None:
    """UserError where `config` changes an option that a run keeps, against those that a checkpoint's `state` has.

    The files in `out` that the run was trained with are kept as well.

    Older checkpoints have none; there the run's own config.yaml has them, which a resume changes only after its
    checkpoint was read.
    """
    check_companions(out, state, complete=True)
    path = out / "config.yaml"
    before = load_config(path) if path.is_file() else None
    if "options" in state:
        check_lasting(state["options"], config)
    elif before:
        check_lasting(lasting_options(before), config)
    if before:
        check_idle(config, ["--train.steps"] if config.train.steps != before.train.steps else [])
        _check_schedule(before, config)
        _check_tokenizer(before, config, out)


def _check_schedule(before: RunConfig, config: RunConfig) -> None:
    """UserError where `train.schedule_from` newly names a run: the plan of steps is that of the checkpoint."""
    named = make_paths_absolute(config).train.schedule_from
    if named and named != make_paths_absolute(before).train.schedule_from:
        raise UserError(
            f"--train.schedule-from {config.train.schedule_from} does not count for a saved run, which keeps its plan:"
            " leave it out, or train anew into another --out"
        )


def _check_tokenizer(before: RunConfig, config: RunConfig, out: Path) -> None:
    """UserError where `data.tokenizer` newly names another vocabulary: the run has a copy of its own, and keeps it."""
    named = make_paths_absolute(config).data.tokenizer
    if not named or named == make_paths_absolute(before).data.tokenizer:
        return
    try:
        same = Path(named).read_bytes() == (out / "tokenizer.model").read_bytes()
    except OSError as error:
        raise UserError(f"--data.tokenizer {named} cannot be read ({error.strerror}): a resume needs none") from error
    if not same:
        raise UserError(
            f"--data.tokenizer {named} is not the vocabulary of the saved run, which keeps its own: leave it out, or"
            " train anew into another --out"
        )
