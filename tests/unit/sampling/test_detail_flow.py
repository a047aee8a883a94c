"""Details of larger pictures: painted from noise of their own, beside a base picture that is finished."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from majolica.config.picture_size import PictureSize
from majolica.models.majolica import Majolica
from majolica.models.pooling import details, pool, repeat
from majolica.sampling.guidance import Guidance
from majolica.sampling.noise import draw_noise
from majolica.sampling.painting import integrate
from majolica.sampling.pipeline import Pipeline
from majolica.sampling.request import DETAIL_STEPS, PaintSettings
from majolica.sampling.solvers import spread_times

SIDE = 32


def paint(pipeline: Pipeline, scale: int = 2, steps: int = 8) -> Tensor:
    noise_B3HW = draw_noise(7, (SIDE // 2, SIDE // 2), scale, 0.5)[None]
    size = PictureSize(scale * SIDE // 2, scale * SIDE // 2, scale)
    settings = PaintSettings(size, spread_times(steps), Guidance(), "heun")
    return integrate(pipeline.model, noise_B3HW, pipeline.condition(["a fox"], {}), settings)


def test_details_are_decoded_beside_the_finished_base_picture(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At every time the decoder sees the base picture as it is in the end, and details from noise to clean ones."""
    truth = details(torch.rand(1, 3, SIDE, SIDE), 2)
    noise = details(draw_noise(7, (SIDE // 2, SIDE // 2), 2, 0.5)[None], 2)
    seen: list[float] = []
    small = paint(pipeline, 1)

    def predict(
        model: Majolica, grid_BHWD: Tensor, base_B3HW: Tensor, pixels_B3HW: Tensor, t_B: Tensor, window: object
    ) -> Tensor:
        torch.testing.assert_close(base_B3HW, small, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(pixels_B3HW, t_B * truth + (1 - t_B) * noise, atol=1e-5, rtol=1e-5)
        seen.append(t_B.item())
        return truth

    monkeypatch.setattr(Majolica, "predict_details", predict)
    large = paint(pipeline)
    torch.testing.assert_close(large, repeat(small, 2) + truth, atol=1e-5, rtol=1e-5)
    assert seen == pytest.approx([0, 0.192, 0.384, 0.576, 0.768, 0.96])


def test_the_trunk_sees_the_noise_of_the_base_picture(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in training, where noisy details and noisy base pictures are those of one noisy picture."""
    plain, asked = Majolica.perceive, []

    def perceive(model: Majolica, noisy_B3HW: Tensor, t_B: Tensor) -> tuple[Tensor, Tensor]:
        asked.append((noisy_B3HW, float(t_B[0])))
        return plain(model, noisy_B3HW, t_B)

    monkeypatch.setattr(Majolica, "perceive", perceive)
    small, start = pool(paint(pipeline), 2), draw_noise(7, (SIDE // 2, SIDE // 2), 1, 0.5)[None]
    for noisy_B3HW, t in asked[-DETAIL_STEPS:]:
        torch.testing.assert_close(noisy_B3HW, t * small + (1 - t) * start, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("size, total", [(16, 3), (32, 6)])
def test_progress_counts_the_steps_of_details_too(pipeline: Pipeline, size: int, total: int) -> None:
    heard: list[tuple[int, int]] = []
    pipeline.paint("a fox", size, steps=3, progress=lambda *told: heard.append(told))
    assert heard == [(step, total) for step in range(1, total + 1)]
