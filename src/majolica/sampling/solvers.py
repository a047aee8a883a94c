"""Solvers of the ODE that carries noise (at time t = 0) to an image (at t = 1).

It is dz/dt = (x_hat(z, t) - z) / (1 - t).

x_hat is the clean image that the model predicts from the noisy image z at flow time t. Before each step but the last
a little noise may be added (`sampling.churn`), so that errors of earlier steps are forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count, pairwise

import torch
from torch import Tensor

from majolica.callbacks import ReportProgress

Denoiser = Callable[[Tensor, float], Tensor]
"""From a noisy image and a flow time to the predicted clean image."""
Churn = Callable[[Tensor, float], tuple[Tensor, float]]
"""From a noisy image and its flow time to a noisier one and its earlier time."""
Tick = Callable[[], None]
"""Called after each step."""


def keep_noise(z: Tensor, t: float) -> tuple[Tensor, float]:
    """The churn that adds no noise: then the solver's result depends on where it starts alone."""
    return z, t


def ignore_tick() -> None:
    """The tick where nobody watches."""


def make_tick(progress: ReportProgress | None, total: int) -> Tick:
    """A tick that tells `progress` how many of `total` steps are done."""
    if progress is None:
        return ignore_tick
    done = count(1)
    return lambda: progress(next(done), total)


def spread_times(steps: int, last: float = 1.0) -> list[float]:
    """Flow times from 0 to 1, `steps + 1` of them: evenly spaced up to `last`, from which one step goes to 1.

    If steps that are all equal begin the last one before `last`, all are equal.
    """
    if last >= 1 - 1 / steps:
        return torch.linspace(0, 1, steps + 1, dtype=torch.float64).tolist()
    return [*torch.linspace(0, last, steps, dtype=torch.float64).tolist(), 1.0]


def euler(
    denoise: Denoiser, z: Tensor, times: Sequence[float], tick: Tick = ignore_tick, churn: Churn = keep_noise
) -> Tensor:
    """The first-order method, with one evaluation of the model a step."""
    for start, then in pairwise(times):
        z, now = churn(z, start) if then < 1 else (z, start)
        z = z + (then - now) / (1 - now) * (denoise(z, now) - z)
        tick()
    return z


def heun(
    denoise: Denoiser, z: Tensor, times: Sequence[float], tick: Tick = ignore_tick, churn: Churn = keep_noise
) -> Tensor:
    """Heun's second-order method (explicit trapezoid), with two evaluations of the model a step.

    The last step has one evaluation, because the velocity is singular at t = 1.
    """
    for start, then in pairwise(times):
        z, now = churn(z, start) if then < 1 else (z, start)
        velocity = (denoise(z, now) - z) / (1 - now)
        guess = z + (then - now) * velocity
        if then < 1:
            velocity = (velocity + (denoise(guess, then) - guess) / (1 - then)) / 2
            guess = z + (then - now) * velocity
        z = guess
        tick()
    return z


SOLVERS: dict[str, Callable[[Denoiser, Tensor, Sequence[float], Tick, Churn], Tensor]] = {"euler": euler, "heun": heun}
