"""Measures training time, and plans the number of steps that fits into the requested minutes."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections import deque

from majolica.device import synchronize
from majolica.distributed.group import broadcast_number
from majolica.train.state import Run

EVERY = 100
"""Steps between two plans. The pace is the median over as many steps."""

TOLERANCE = 0.02
"""The share by which the number of steps has to change before a new plan replaces the old one."""


class Pace:
    """A clock for training time, which leaves out what is done between steps, such as saving.

    On a CPU it stops after every step. On a GPU the host queues steps without waiting for them, so
    the clock stops only where something is due that has to wait for the device.
    """

    def __init__(self, run: Run) -> None:
        self.run, self.steps, self.spent = run, 0, 0.0
        self.open = 0
        """Steps that have ended since the clock last stopped."""
        self.recent: deque[float] = deque(maxlen=EVERY)
        self.mark = time.perf_counter()

    def lap(self) -> None:
        """Count a step that has ended, and stop the clock if it stops after this step."""
        self.open += 1
        if self.stops():
            self.pause()

    def pause(self) -> None:
        """Wait until the device has done all queued work, and stop the clock."""
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
        """Return whether the clock stops after this step."""
        if self.run.group.device.type == "cpu":
            return True
        train, step = self.run.config.train, self.run.step
        cadences: tuple[int, ...] = (train.log_every, train.checkpoint_every, train.sample_every, train.heldout_every)
        cadences += train.evaluation_cadences
        plan = self.run.plan
        return self.plan_due() or step >= plan.steps or any(plan.is_due(step, every) for every in cadences)

    def resume(self) -> None:
        """Start the clock for the next step, unless it is running."""
        if not self.open:
            self.mark = time.perf_counter()

    def reset(self) -> float:
        """Return the mean seconds per step since the last call."""
        mean = self.spent / max(1, self.steps)
        self.steps, self.spent = 0, 0.0
        return mean

    def plan_due(self) -> bool:
        """Return whether `plan` is to be called now.

        It is due at the end of the warm-up, and every `EVERY` steps from then on.
        """
        train, after = self.run.config.train, self.run.step - self.run.config.optim.warmup
        timed = train.minutes > 0 and not train.schedule_from
        return timed and after >= 0 and after % EVERY == 0 and self.run.step < self.run.plan.steps

    def plan(self) -> None:
        """Convert the minutes that are left to steps, equally on every rank."""
        run, plan = self.run, self.run.plan
        left = run.config.train.minutes * 60 - run.seconds
        steps = broadcast_number(run.step + max(1, int(left / statistics.median(self.recent))), run.group)
        if run.step == run.config.optim.warmup:  # no schedule has used the number of steps yet
            run.plan = dataclasses.replace(plan, steps=steps)
        elif abs(steps - plan.steps) > TOLERANCE * plan.steps:
            run.plan = plan.change(run.step, steps)
