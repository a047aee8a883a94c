"""Pictures larger than the base resolution: the same picture with more detail, at once or in tiles."""

import dataclasses
import warnings

import pytest
import torch

from majolica.config.run import LossConfig
from majolica.errors import Notice
from majolica.models.majolica import pool
from majolica.sampling.guidance import Guidance
from majolica.sampling.noise import draw_noise
from majolica.sampling.painting import integrate
from majolica.sampling.pipeline import Pipeline
from majolica.sampling.request import PaintSettings
from majolica.sampling.solvers import spread_times


@pytest.mark.filterwarnings("ignore::majolica.errors.Notice")
def test_every_multiple_of_the_base_resolution(pipeline: Pipeline) -> None:
    assert pipeline.paint(["a fox"], size=48, steps=2).shape == (1, 3, 48, 48)


@pytest.mark.parametrize("solver", ["euler", "heun"])
def test_a_large_picture_pooled_is_the_small_one(pipeline: Pipeline, solver: str) -> None:
    """From one seed the same picture comes at every size, details aside, to float precision."""
    condition = pipeline.condition(["a fox", "an owl"], {"brightness": 0.5})
    noise = [torch.stack([draw_noise(seed, 16, scale) for seed in (7, 8)]) for scale in (1, 2)]
    small, large = (
        integrate(pipeline.model, noise_B3HW, condition, PaintSettings(scale, spread_times(4), Guidance(), solver))
        for scale, noise_B3HW in zip((1, 2), noise, strict=True)
    )
    torch.testing.assert_close(pool(large, 2), small, atol=1e-4, rtol=1e-4)
    assert (large - small.repeat_interleave(2, 2).repeat_interleave(2, 3)).abs().max() > 0.01


@pytest.mark.filterwarnings("ignore::majolica.errors.Notice")
def test_tiles_give_the_picture_that_is_decoded_at_once(pipeline: Pipeline) -> None:
    asked = {"size": 96, "steps": 3, "properties": {"brightness": 0.5}, "seed": 3}
    whole = pipeline.paint(["a fox"], tile="off", **asked)  # type: ignore[arg-type]
    for tile in (32, "48"):
        tiled = pipeline.paint(["a fox"], tile=tile, **asked)  # type: ignore[arg-type]
        assert (tiled.int() - whole.int()).abs().max() <= 1
    assert torch.equal(whole, pipeline.paint(["a fox"], **asked)), "small pictures need no tiles"  # type: ignore[arg-type]


def test_a_size_beyond_training_is_said(pipeline: Pipeline) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pipeline.paint("a fox", size=32, steps=1)
    with pytest.warns(Notice, match=r"size 48 is larger .*\(16 px and 32 px\).*paint at most 32, .*fine-scale 3"):
        pipeline.paint("a fox", size=48, steps=1)
    pipeline.config = dataclasses.replace(pipeline.config, loss=LossConfig(fine_share=0.0, fine_scale=2))
    with pytest.warns(Notice, match=r"size 32 is larger .*\(16 px\).*paint at most 16"):
        pipeline.paint("a fox", size=32, steps=1)
