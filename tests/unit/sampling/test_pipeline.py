"""The pipeline's promises and its answers to bad input, on a tiny model."""

import dataclasses

import pytest
import torch

from majolica.config.schema import RunConfig
from majolica.errors import UserError
from majolica.models.majolica import Majolica, pool
from majolica.sampling.guidance import Guidance
from majolica.sampling.pipeline import Pipeline, draw_noise
from tiny import TINY


class Letters:
    """A stand-in vocabulary: a piece per character."""

    vocab = 300

    def encode(self, captions: list[str], length: int) -> torch.Tensor:
        rows = [[4 + ord(letter) % 200 for letter in caption[:length]] for caption in captions]
        return torch.tensor([row + [0] * (length - len(row)) for row in rows])


@pytest.fixture
def pipeline(tiny: Majolica) -> Pipeline:
    config = dataclasses.replace(RunConfig(), model=TINY)
    return Pipeline(tiny, Letters(), config, torch.device("cpu"))  # type: ignore[arg-type]


def test_a_picture_depends_on_its_own_prompt_and_seed(pipeline: Pipeline) -> None:
    both = pipeline.paint(["a fox", "an owl"], steps=3)
    again = pipeline.paint(["a fox", "a cat"], steps=3)
    other = pipeline.paint(["a fox", "an owl"], steps=3, seed=1)
    assert (both[0].int() - again[0].int()).abs().max() <= 1
    assert not torch.equal(both[1], again[1])
    assert not torch.equal(both[0], other[0])


def test_dials_change_the_picture_and_their_ends_are_allowed(pipeline: Pipeline) -> None:
    plain = pipeline.paint(["a fox"], steps=3)
    for value in (0.05, 0.6):
        assert not torch.equal(plain, pipeline.paint(["a fox"], steps=3, properties={"colourfulness": value}))


def test_every_multiple_of_the_base_resolution(pipeline: Pipeline) -> None:
    assert pipeline.paint(["a fox"], size=48, steps=2).shape == (1, 3, 48, 48)


@pytest.mark.parametrize("solver", ["euler", "heun"])
def test_a_large_picture_pooled_is_the_small_one(pipeline: Pipeline, solver: str) -> None:
    """From one seed the same picture comes at every size, details aside, to float precision."""
    condition = pipeline.condition(["a fox", "an owl"], {"brightness": 0.5})
    small, large = (
        pipeline.integrate(
            torch.stack([draw_noise(7, row, 16, scale) for row in (0, 1)]), condition, 4, Guidance(), solver
        )
        for scale in (1, 2)
    )
    torch.testing.assert_close(pool(large, 2), small, atol=1e-4, rtol=1e-4)
    assert (large - small.repeat_interleave(2, 2).repeat_interleave(2, 3)).abs().max() > 0.01


def test_noise_is_white_at_every_size() -> None:
    for scale in (1, 2, 4):
        noise = torch.cat([draw_noise(0, row, 16, scale) for row in range(300)]) / scale
        count = noise.numel()
        assert abs(noise.mean()) < 5 / count**0.5
        assert abs(noise.var() - 1) < 5 * (2 / count) ** 0.5
        assert abs((noise[..., 1:] * noise[..., :-1]).mean()) < 5 / count**0.5


def test_probabilities_sum_to_one(pipeline: Pipeline) -> None:
    images = torch.randint(256, (2, 3, 40, 30), dtype=torch.uint8)
    torch.testing.assert_close(pipeline.classify(images, ["fox", "owl", "cat"]).sum(1), torch.ones(2))
    torch.testing.assert_close(pipeline.embed_images(images).norm(dim=1), torch.ones(2))


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"prompts": [" "]}, "the prompt is empty"),
        ({"prompts": ["x" * 10_000]}, "10,000 characters"),
        ({"prompts": ["a fox"], "size": 50}, "50 is no multiple of the base resolution 16: use 48"),
        ({"prompts": ["a fox"], "size": 0}, "no multiple"),
        ({"prompts": ["a fox"], "size": 48_000}, "size 48000 is too large: 4096 is the most"),
        ({"prompts": ["a fox"], "guidance": float("nan")}, "guidance is nan: give a number"),
        ({"prompts": ["a fox"], "properties": {"wetness": 0.5}}, "unknown property 'wetness'"),
        ({"prompts": ["a fox"], "properties": {"brightness": 7.0}}, "brightness runs from 0.1 to 0.9"),
        ({"prompts": ["a fox"], "solver": "guess"}, "unknown solver 'guess'"),
    ],
)
def test_bad_input_is_one_clear_line(pipeline: Pipeline, asked: dict[str, object], message: str) -> None:
    with pytest.raises(UserError) as caught:
        pipeline.paint(**asked)  # type: ignore[arg-type]
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_an_empty_label_is_not_called_a_prompt(pipeline: Pipeline) -> None:
    images = torch.zeros(1, 3, 16, 16, dtype=torch.uint8)
    with pytest.raises(UserError, match="the text is empty: say what the picture shows"):
        pipeline.embed_texts([" "])
    with pytest.raises(UserError, match="the label is empty: say what the picture shows"):
        pipeline.classify(images, ["fox", ""])
