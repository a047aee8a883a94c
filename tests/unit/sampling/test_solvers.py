"""Solvers against flows that can be integrated by hand."""

import math

import pytest
import torch

from majolica.sampling.solvers import euler, heun, spread_times


def test_a_known_image_is_reached_exactly() -> None:
    goal, noise = torch.rand(1, 3, 4, 4), torch.randn(1, 3, 4, 4)
    for solver in (euler, heun):
        torch.testing.assert_close(solver(lambda z, t: goal, noise, spread_times(7)), goal, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize(("solver", "order"), [(euler, 1), (heun, 2)])
def test_order_of_convergence(solver, order) -> None:  # type: ignore[no-untyped-def]
    """Data N(0, s^2): E[x | z] = t s^2 z / (t^2 s^2 + (1-t)^2), and the flow carries z0 to s z0."""
    s = 0.6

    def denoise(z: torch.Tensor, t: float) -> torch.Tensor:
        return t * s**2 * z / (t**2 * s**2 + (1 - t) ** 2)

    start = torch.ones(1, dtype=torch.float64)
    errors = [abs(solver(denoise, start, spread_times(steps)).item() - s) for steps in (32, 64)]
    assert math.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.35)


def test_times_are_even_up_to_the_last_step() -> None:
    assert spread_times(4) == [0, 0.25, 0.5, 0.75, 1]
    assert spread_times(5, 0.6) == pytest.approx([0, 0.15, 0.3, 0.45, 0.6, 1])
    assert spread_times(2, 0.6) == [0, 0.5, 1], "equal steps begin the last one before 0.6"
    assert spread_times(1, 0.6) == spread_times(1, 0.0) == [0, 1]
    assert spread_times(3, 0.0) == [0, 0, 0, 1]


@pytest.mark.parametrize("solver", [euler, heun])
def test_what_lies_beyond_the_last_time_is_not_asked_for(solver) -> None:  # type: ignore[no-untyped-def]
    asked = []

    def denoise(z: torch.Tensor, t: float) -> torch.Tensor:
        asked.append(t)
        return torch.full_like(z, 0.25)

    assert solver(denoise, torch.ones(1, dtype=torch.float64), spread_times(6, 0.7)).item() == pytest.approx(0.25)
    assert max(asked) == pytest.approx(0.7)
