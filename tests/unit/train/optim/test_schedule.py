"""The learning rate of the reference recipe at the steps that matter, and how long a run still takes."""

import dataclasses

import pytest

from majolica.recipes import recipe
from majolica.train.optim.schedule import describe_long_warmup, learning_rate, seconds_left


def test_the_reference_schedule() -> None:
    config = recipe("reference")
    steps = config.train.steps
    assert learning_rate(5_000, steps, config.optim) == 1e-4
    assert learning_rate(steps, steps, config.optim) == pytest.approx(1e-6, rel=1e-12)
    assert learning_rate(2_500, steps, config.optim) == pytest.approx(5e-5)
    halfway = (5_000 + steps) // 2
    assert learning_rate(halfway, steps, config.optim) == pytest.approx((1e-4 + 1e-6) / 2)


def test_it_rises_then_falls() -> None:
    config = recipe("reference")
    rates = [learning_rate(step, 366_000, config.optim) for step in range(1, 366_001, 500)]
    peak = rates.index(max(rates))
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)


@pytest.mark.parametrize(
    ("step", "steps", "spent", "left"),
    [
        (10, 10_000, 5.0, 55.0),  # before the first plan: a minute was asked for
        (10, 30, 5.0, 10.0),  # fewer steps than fit into it
        (150, 200, 58.0, 2.0),  # slower than the last plan thought
        (90, 10_000, 70.0, 5.0),  # the minute is over, and the warm-up is taken to its end
        (100, 100, 80.0, 0.0),
    ],
)
def test_no_more_is_left_than_the_minutes_that_were_asked_for(step: int, steps: int, spent: float, left: float) -> None:
    config = recipe("reference")
    optim, train = dataclasses.replace(config.optim, warmup=100), dataclasses.replace(config.train, minutes=1.0)
    timed = dataclasses.replace(config, optim=optim, train=train)
    assert seconds_left(timed, step, steps, pace=0.5, spent=spent) == left
    untimed = dataclasses.replace(timed, train=dataclasses.replace(train, minutes=0.0))
    assert seconds_left(untimed, step, steps, pace=0.5, spent=spent) == (steps - step) * 0.5


def test_a_warm_up_of_more_than_half_of_the_minutes_is_said() -> None:
    config = recipe("art")
    hour = dataclasses.replace(config, train=dataclasses.replace(config.train, minutes=60.0))
    pace = 61 * 60 / config.optim.warmup
    said = describe_long_warmup(hour, pace)
    assert f"the warm-up of {config.optim.warmup} steps takes about 61 minutes at this pace" in said
    assert f"--optim.warmup {int(6 * 60 / pace)}" in said  # a tenth of the hour
    assert describe_long_warmup(hour, pace * 29 / 61) == ""
    assert describe_long_warmup(config, pace) == ""  # steps were asked for, and they are taken
