"""Pictures larger than the base resolution: the same picture with more detail, at once or in tiles."""

import dataclasses
import warnings

import pytest
import torch
from torch.nn import functional as F

from majolica.config.loss import LossConfig
from majolica.config.picture_size import PictureSize
from majolica.errors import Notice, UserError
from majolica.models.pooling import pool
from majolica.sampling.guidance import Guidance
from majolica.sampling.noise import draw_noise
from majolica.sampling.painting import integrate
from majolica.sampling.pipeline import Pipeline
from majolica.sampling.request import PaintSettings
from majolica.sampling.solvers import spread_times


@pytest.mark.filterwarnings("ignore::majolica.errors.Notice")
def test_every_multiple_of_the_base_resolution(pipeline: Pipeline) -> None:
    assert pipeline.paint(["a fox"], size=48, steps=2).shape == (1, 3, 48, 48)


@pytest.mark.parametrize("base", [(16, 16), (12, 20)])
@pytest.mark.parametrize("solver", ["euler", "heun"])
def test_a_large_picture_pooled_is_the_small_one(pipeline: Pipeline, solver: str, base: tuple[int, int]) -> None:
    """From one seed the same picture comes at every size, details aside, to float precision."""
    condition = pipeline.condition(["a fox", "an owl"], {"brightness": 0.5})
    noise = [torch.stack([draw_noise(seed, base, scale, 0.3) for seed in (7, 8)]) for scale in (1, 2)]
    sizes = [PictureSize(scale * base[0], scale * base[1], scale) for scale in (1, 2)]
    small, large = (
        integrate(pipeline.model, noise_B3HW, condition, PaintSettings(size, spread_times(4), Guidance(), solver))
        for size, noise_B3HW in zip(sizes, noise, strict=True)
    )
    torch.testing.assert_close(pool(large, 2), small, atol=1e-4, rtol=1e-4)
    assert (large - small.repeat_interleave(2, 2).repeat_interleave(2, 3)).abs().max() > 0.01


@pytest.mark.parametrize("size", ["40x24", (40, 24), "40X24"])
def test_a_picture_need_not_be_square(pipeline: Pipeline, size: str | tuple[int, int]) -> None:
    with pytest.warns(Notice, match="40x24 is not square"):
        large = pipeline.paint(["a fox"], size=size, steps=2)
        small = pipeline.paint(["a fox"], size="20x12", steps=2)
    assert large.shape == (1, 3, 24, 40) and small.shape == (1, 3, 12, 20)


@pytest.mark.filterwarnings("ignore::majolica.errors.Notice")
@pytest.mark.parametrize("hold", [False, True])
def test_any_size_is_cut_and_scaled_from_a_larger_picture(pipeline: Pipeline, hold: bool) -> None:
    asked = {"steps": 2, "properties": {"brightness": 0.5}, "hold": hold, "seed": 3}
    whole = pipeline.paint(["a fox"], size=32, **asked)  # type: ignore[arg-type]
    scaled = pipeline.paint(["a fox"], size=24, any_size=True, **asked)  # type: ignore[arg-type]
    resized = F.interpolate(whole, (24, 24), mode="bicubic", antialias=True)
    assert torch.equal(scaled, resized) and scaled.is_contiguous()
    cut = pipeline.paint(["a fox"], size="30x32", any_size=True, **asked)  # type: ignore[arg-type]
    assert torch.equal(cut, whole[..., 1:31])
    assert torch.equal(whole, pipeline.paint(["a fox"], size=32, any_size=True, **asked))  # type: ignore[arg-type]


def test_any_size_may_be_one_pixel(pipeline: Pipeline) -> None:
    assert pipeline.paint("a fox", 1, steps=1, any_size=True).shape == (1, 3, 1, 1)


@pytest.mark.parametrize(
    "size", ["", "x", "16x", "x16", "16x16x16", "wide", "1.5x2", (16, 16, 16), 0.5, ("a", 2), True]
)
def test_what_is_no_size_is_refused(pipeline: Pipeline, size: object) -> None:
    with pytest.raises(UserError, match="the size is "):
        pipeline.paint(["a fox"], size=size, steps=1)  # type: ignore[arg-type]


@pytest.mark.filterwarnings("ignore::majolica.errors.Notice")
def test_tiles_give_the_picture_that_is_decoded_at_once(pipeline: Pipeline) -> None:
    """In float32; in bfloat16 convolutions of another size are rounded otherwise, by up to 2 of 255."""
    training = dataclasses.replace(pipeline.config.train, precision="fp32")
    pipeline.config = dataclasses.replace(pipeline.config, train=training)
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
    with pytest.warns(Notice, match=r"size 48 is larger .*\(16 px, 32 px\).*paint at most 32, .*fine-scales 3"):
        pipeline.paint("a fox", size=48, steps=1)
    pipeline.config = dataclasses.replace(pipeline.config, loss=LossConfig(fine_share=0.0, fine_scales=(2,)))
    with pytest.warns(Notice, match=r"size 32 is larger .*\(16 px\).*paint at most 16"):
        pipeline.paint("a fox", size=32, steps=1)
