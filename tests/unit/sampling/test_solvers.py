"""Solvers against flows that can be integrated by hand."""

import math

import pytest
import torch

from majolica.sampling.solvers import euler, heun


def test_a_known_image_is_reached_exactly() -> None:
    goal, noise = torch.rand(1, 3, 4, 4), torch.randn(1, 3, 4, 4)
    for solver in (euler, heun):
        torch.testing.assert_close(solver(lambda z, t: goal, noise, 7), goal, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize(("solver", "order"), [(euler, 1), (heun, 2)])
def test_order_of_convergence(solver, order) -> None:  # type: ignore[no-untyped-def]
    """Data N(0, s^2): E[x | z] = t s^2 z / (t^2 s^2 + (1-t)^2), and the flow carries z0 to s z0."""
    s = 0.6

    def denoise(z: torch.Tensor, t: float) -> torch.Tensor:
        return t * s**2 * z / (t**2 * s**2 + (1 - t) ** 2)

    start = torch.ones(1, dtype=torch.float64)
    errors = [abs(solver(denoise, start, steps).item() - s) for steps in (32, 64)]
    assert math.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.35)
