"""Training time, and the number of steps that fits into the minutes asked for."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections import deque

from majolica.device import synchronize
from majolica.distributed.group import broadcast_number
from majolica.train.state import Run

EVERY = 100
"""Steps from one look at the pace to the next; as many are looked at."""

TOLERANCE = 0.02
"""A plan that would end this share of the minutes early or late is left alone."""


class Pace:
    """Training time without what is done between the steps (saving, painting)."""

    def __init__(self, run: Run) -> None:
        self.run, self.steps, self.spent = run, 0, 0.0
        self.open = 0
        """Steps since the clock last stopped."""
        self.recent: deque[float] = deque(maxlen=EVERY)
        self.mark = time.perf_counter()

    def lap(self) -> None:
        """A step has ended: on a CPU at once, on a GPU where something is due and it is waited for."""
        self.open += 1
        if self.stops():
            self.pause()

    def pause(self) -> None:
        """Stop the clock, when all that was queued is done."""
        if not self.open:
            return
        synchronize(self.run.group.device)
        elapsed = time.perf_counter() - self.mark
        self.run.seconds += elapsed
        self.spent += elapsed
        self.steps += self.open
        self.recent.extend([elapsed / self.open] * self.open)
        self.open = 0

    def stops(self) -> bool:
        """Whether the clock stops after this step: always, where a step that has returned is done."""
        if self.run.group.device.type == "cpu":
            return True
        train, step = self.run.config.train, self.run.step
        cadences = (train.log_every, train.checkpoint_every, train.sample_every, train.heldout_every)
        plan = self.run.plan
        return self.plan_due() or step >= plan.steps or any(plan.is_due(step, every) for every in cadences)

    def resume(self) -> None:
        """The next step begins."""
        if not self.open:
            self.mark = time.perf_counter()

    def reset(self) -> float:
        """Seconds per step since the last call."""
        mean = self.spent / max(1, self.steps)
        self.steps, self.spent = 0, 0.0
        return mean

    def plan_due(self) -> bool:
        """Whether to look at the pace now: at the end of warm-up, and every `EVERY` steps from then on."""
        train, after = self.run.config.train, self.run.step - self.run.config.optim.warmup
        timed = train.minutes > 0 and not train.schedule_from
        return timed and after >= 0 and after % EVERY == 0 and self.run.step < self.run.plan.steps

    def plan(self) -> None:
        """Turn the minutes that are left into steps, on every rank alike."""
        run, plan = self.run, self.run.plan
        left = run.config.train.minutes * 60 - run.seconds
        steps = broadcast_number(run.step + max(1, int(left / statistics.median(self.recent))), run.group)
        if run.step == run.config.optim.warmup:  # no schedule has used the number of steps yet
            run.plan = dataclasses.replace(plan, steps=steps)
        elif abs(steps - plan.steps) > TOLERANCE * plan.steps:
            run.plan = plan.change(run.step, steps)
