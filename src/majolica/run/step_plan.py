"""How many optimiser steps a run takes in all: history of the run, kept in its checkpoints and not in its config.yaml.

Without `train.minutes` it is `train.steps`. With them the number follows the pace of the machine and changes on the
way, so the plan remembers what it was before: the learning rate and the clean share of a step depend on it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from majolica.config.run import RunConfig
from majolica.errors import UserError
from majolica.run.companions import STATE
from majolica.run.weights import latest


@dataclass(frozen=True)
class StepPlan:
    """The number of steps as it is planned now, and as it was planned before."""

    steps: int
    minutes: float = 0.0
    """The training time that `steps` was planned for; 0 if it was given as a number of steps."""
    earlier: tuple[tuple[int, int], ...] = ()
    """Earlier values of `steps`, each as (first step that no longer followed it, value)."""

    def at(self, step: int) -> int:
        """Return the number of steps in all as it was planned when optimiser step `step` was taken."""
        return next((steps for before, steps in self.earlier if step < before), self.steps)

    def change(self, step: int, steps: int) -> StepPlan:
        """Return the plan that has `steps` steps from the one after `step` on."""
        return StepPlan(steps, self.minutes, (*self.earlier, (step + 1, self.steps)))

    def is_due(self, step: int, every: int) -> bool:
        """Whether what happens every so many steps happens after `step`; it does after the last, and 0 is never."""
        return every > 0 and (step % every == 0 or step == self.steps)

    def to_json(self) -> dict[str, Any]:
        """Return the plan as a checkpoint's state holds it."""
        return {"steps": self.steps, "minutes": self.minutes, "earlier": self.earlier}

    @staticmethod
    def from_json(saved: Mapping[str, Any]) -> StepPlan:
        """Return the plan that `to_json` made `saved` from."""
        earlier = tuple((before, steps) for before, steps in saved["earlier"])
        return StepPlan(saved["steps"], saved["minutes"], earlier)


def begin_plan(config: RunConfig) -> StepPlan:
    """Return the plan of a run at step 0: that of the run `train.schedule_from`, if it names one.

    Raises UserError if that run has no whole checkpoint, or has not reached its last step.
    """
    if not config.train.schedule_from:
        return StepPlan(config.train.steps, config.train.minutes)
    run = Path(config.train.schedule_from)
    folder, _ = latest(run, [STATE])
    state = json.loads((folder / STATE).read_text())
    plan = _saved_plan(state, config)
    if state["step"] < plan.steps:
        raise UserError(
            f"--train.schedule-from {run} stands at step {state['step']} of {plan.steps}: its plan may still change, so"
            " train it to its end first"
        )
    return plan


def resume_plan(config: RunConfig, state: Mapping[str, Any]) -> StepPlan:
    """Return the plan of a run that goes on from a checkpoint's `state`.

    Minutes that differ from those of the saved plan are turned into steps at the pace of the run so far. The steps that
    the schedule has followed until now stay in the plan as history.
    """
    train, saved, step = config.train, _saved_plan(state, config), state["step"]
    if train.schedule_from or (train.minutes and train.minutes == saved.minutes):
        return saved
    if not train.minutes:
        is_other = step > config.optim.warmup and train.steps != saved.steps
        return StepPlan(train.steps, 0.0, (saved.change(step, train.steps) if is_other else saved).earlier)
    if step <= config.optim.warmup:
        return StepPlan(train.steps, train.minutes)
    left = max(1, int((train.minutes * 60 - state["seconds"]) * step / state["seconds"]))
    return StepPlan(saved.steps, train.minutes, saved.earlier).change(step, step + left)


def _saved_plan(state: Mapping[str, Any], config: RunConfig) -> StepPlan:
    """Return the plan in a checkpoint's `state`; older versions kept it in the configuration."""
    if "plan" in state:
        return StepPlan.from_json(state["plan"])
    return StepPlan(config.train.steps, config.train.minutes)
