"""A run's number of steps is planned, changed and taken up again as its options and its checkpoint say."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from majolica.config.run import RunConfig
from majolica.errors import UserError
from majolica.run import checkpoint
from majolica.run.step_plan import StepPlan, begin_plan, resume_plan


def config(**train: Any) -> RunConfig:
    start = RunConfig()
    optim = dataclasses.replace(start.optim, warmup=10)
    return dataclasses.replace(start, optim=optim, train=dataclasses.replace(start.train, **train))


def state(plan: StepPlan, step: int, seconds: float = 100.0) -> dict[str, Any]:
    written: dict[str, Any] = json.loads(json.dumps({"step": step, "seconds": seconds, "plan": plan.to_json()}))
    return written


def test_steps_before_a_change_follow_the_plan_that_they_were_taken_under() -> None:
    plan = StepPlan(700, 5.0).change(39, 650).change(89, 600)
    assert [plan.at(step) for step in (1, 39, 40, 89, 90, 600)] == [700, 700, 650, 650, 600, 600]


def test_what_is_due_comes_at_its_cadence_and_after_the_last_step() -> None:
    plan = StepPlan(25)
    assert [step for step in range(1, 26) if plan.is_due(step, 10)] == [10, 20, 25]
    assert not any(plan.is_due(step, 0) for step in range(1, 26))


def test_a_resumed_run_keeps_its_plan_and_its_history() -> None:
    plan = StepPlan(700, 5.0).change(39, 650)
    assert resume_plan(config(steps=9, minutes=5.0), state(plan, 50)) == plan


def test_other_minutes_are_planned_at_the_pace_so_far() -> None:
    plan = StepPlan(650, 5.0)
    longer = resume_plan(config(minutes=10.0), state(plan, 200, seconds=100))  # two steps a second, 500 s left
    assert longer == StepPlan(1200, 10.0, ((201, 650),))
    assert resume_plan(config(minutes=1.0), state(plan, 200, seconds=100)).steps == 201  # the minute is over
    assert resume_plan(config(minutes=10.0, steps=9), state(plan, 4)) == StepPlan(9, 10.0)  # not planned yet


def test_a_timed_run_goes_on_for_a_number_of_steps() -> None:
    plan = StepPlan(700, 5.0).change(39, 650)
    longer = resume_plan(config(steps=900), state(plan, 650))
    assert longer == StepPlan(900, 0.0, ((40, 700), (651, 650)))
    assert [longer.at(step) for step in (39, 40, 650, 651)] == [700, 650, 650, 900]
    assert resume_plan(config(steps=650), state(plan, 650)) == StepPlan(650, 0.0, plan.earlier)


def test_a_checkpoint_without_a_plan_follows_the_configuration() -> None:
    assert resume_plan(config(steps=900), {"step": 5, "seconds": 1.0}) == StepPlan(900)
    assert resume_plan(config(steps=900, minutes=3.0), {"step": 50, "seconds": 1.0}) == StepPlan(900, 3.0)


def test_the_plan_of_a_finished_run_is_taken(tmp_path: Path) -> None:
    plan = StepPlan(700, 5.0).change(39, 650)
    checkpoint.save_checkpoint(tmp_path, 650, checkpoint.Saved({}, state(plan, 650)), keep=1)
    following = config(steps=9, minutes=1.0, schedule_from=str(tmp_path))
    assert begin_plan(following) == plan
    assert resume_plan(following, state(plan, 50)) == plan


def test_the_plan_of_an_unfinished_run_is_refused(tmp_path: Path) -> None:
    checkpoint.save_checkpoint(tmp_path, 50, checkpoint.Saved({}, state(StepPlan(700, 5.0), 50)), keep=1)
    with pytest.raises(UserError, match="stands at step 50 of 700"):
        begin_plan(config(schedule_from=str(tmp_path)))
    with pytest.raises(UserError, match="holds no checkpoint"):
        begin_plan(config(schedule_from=str(tmp_path / "nowhere")))
