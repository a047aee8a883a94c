"""The clock of a training stops when the device has done what it was asked to."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from majolica.config.training import OptimConfig, TrainConfig
from majolica.run.step_plan import StepPlan
from majolica.train.watch import pace


class Machine:
    """A host that queues a step in 1 ms, and a device that takes a second for each."""

    def __init__(self) -> None:
        self.now = self.done = 0.0

    def queue(self) -> None:
        self.now += 0.001
        self.done = max(self.done, self.now) + 1

    def synchronize(self, device: torch.device) -> None:
        assert device.type == "meta"
        self.now = max(self.now, self.done)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine()
    monkeypatch.setattr(pace, "synchronize", machine.synchronize)
    monkeypatch.setattr(pace, "time", SimpleNamespace(perf_counter=lambda: machine.now))
    return machine


def trained(machine: Machine, steps: int) -> pace.Pace:
    """A watch over so many steps of a run that logs every third and saves, which takes 100 s, every fourth."""
    train = TrainConfig(log_every=3, checkpoint_every=4, sample_every=0, heldout_every=7, minutes=0.0)
    config = SimpleNamespace(train=train, optim=OptimConfig())
    group = SimpleNamespace(device=torch.device("meta"))
    run = SimpleNamespace(config=config, plan=StepPlan(100), group=group, step=0, seconds=0.0)
    watch = pace.Pace(run)  # type: ignore[arg-type]
    for _ in range(steps):
        machine.queue()
        watch.run.step += 1
        watch.lap()
        machine.now += 100.0 * (watch.run.step % 4 == 0)
        watch.resume()
    return watch


def test_what_is_queued_counts_where_something_is_due_and_saving_does_not(machine: Machine) -> None:
    watch = trained(machine, 8)
    assert watch.run.seconds == pytest.approx(8, abs=0.02)
    assert watch.reset() == pytest.approx(1, abs=0.01)
    assert list(watch.recent) == pytest.approx([1.0] * 8, abs=0.01)


def test_the_clock_stops_before_held_out_losses_are_measured(machine: Machine) -> None:
    assert trained(machine, 7).open == 0
    assert trained(machine, 5).open == 1


def test_steps_of_a_run_that_is_stopped_count_too(machine: Machine) -> None:
    watch = trained(machine, 5)
    assert watch.run.seconds == pytest.approx(4, abs=0.02)
    watch.pause()
    watch.pause()
    assert watch.run.seconds == pytest.approx(5, abs=0.02)
