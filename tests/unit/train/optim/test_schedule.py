"""The learning rate of the reference recipe at the steps that matter."""

import pytest

from majolica.recipes import recipe
from majolica.train.optim.schedule import learning_rate


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
