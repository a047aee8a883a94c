"""What the model sees in noisy pictures, and templates that a caller gives."""

from __future__ import annotations

import pytest
import torch

from majolica.errors import Notice, UserError
from majolica.sampling.foresight import add_seeded_noise
from majolica.sampling.noise import draw_noise
from majolica.sampling.pipeline import Pipeline


def pictures(count: int = 3) -> torch.Tensor:
    return torch.randint(256, (count, 3, 16, 16), generator=torch.Generator().manual_seed(0)).to(torch.uint8)


def test_noise_is_that_of_painting_and_the_same_at_every_time() -> None:
    clean_B3HW = torch.rand(2, 3, 16, 16) * 2 - 1
    noise_B3HW = torch.stack([draw_noise(seed, (16, 16), 1, 1.0) for seed in (7, 9)])
    assert torch.equal(add_seeded_noise(clean_B3HW, 0.0, (7, 9)), noise_B3HW)
    assert torch.equal(add_seeded_noise(clean_B3HW, 1.0, (7, 9)), clean_B3HW)
    torch.testing.assert_close(add_seeded_noise(clean_B3HW, 0.25, (7, 9)), 0.25 * clean_B3HW + 0.75 * noise_B3HW)


def test_without_noise_it_sees_what_it_always_sees(pipeline: Pipeline) -> None:
    seen_BE = pipeline.embed_noisy(pictures(), 1.0, (1, 2, 3))
    torch.testing.assert_close(seen_BE, pipeline.embed_images(pictures()), atol=1e-6, rtol=0)


@pytest.mark.parametrize("predict", [False, True])
def test_embeddings_are_of_unit_length_and_depend_on_picture_time_and_seed_alone(
    pipeline: Pipeline, predict: bool
) -> None:
    images_B3HW = pictures()
    first_BE = pipeline.embed_noisy(images_B3HW, 0.4, (1, 2, 3), predict)
    torch.testing.assert_close(first_BE.norm(dim=1), torch.ones(3))
    alone_1E = pipeline.embed_noisy(images_B3HW[1:2], 0.4, (2,), predict)
    torch.testing.assert_close(alone_1E, first_BE[1:2], atol=1e-5, rtol=0)
    for t, seeds in ((0.4, (1, 5, 3)), (0.5, (1, 2, 3))):
        assert not torch.allclose(pipeline.embed_noisy(images_B3HW, t, seeds, predict)[1], first_BE[1], atol=1e-4)


def test_the_prediction_hears_no_caption(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    paint = pipeline.model.paint
    monkeypatch.setattr(pipeline.model, "paint", lambda *given: asked.append(given[3]) or paint(*given))
    pipeline.embed_noisy(pictures(), 0.4, (1, 2, 3), predict=True)
    (condition,) = asked
    assert not condition.has_text_B.any() and not condition.has_value_BP.any()


def test_templates_of_a_caller_are_used_checked_and_left_out_if_too_long(pipeline: Pipeline) -> None:
    bare_KE = pipeline.embed_labels(["fox", "owl"], ["{label}"])
    torch.testing.assert_close(bare_KE, pipeline.embed_texts(["fox", "owl"]))
    long = "a very long sentence about many things and at last about the {label}"
    with pytest.warns(Notice, match="1 of 2 templates are left out, because a label in them is longer"):
        assert torch.equal(pipeline.embed_labels(["fox", "owl"], ["{label}", long]), bare_KE)
    assert pipeline.choose_templates(["fox", "owl"], ["{label}", long]) == ["{label}"]
    with pytest.raises(UserError, match="would say 'a a fox'"):
        pipeline.embed_labels(["fox", "owl"], ["a {}"])
    for wrong in ("{label}", []):
        with pytest.raises(UserError, match="give a list of strings"):
            pipeline.embed_labels(["fox", "owl"], wrong)
    chances_1K = pipeline.classify(pictures(1), ["fox", "owl"], ["{label}"])
    torch.testing.assert_close(chances_1K, pipeline.compare(pipeline.embed_images(pictures(1)), bare_KE))
