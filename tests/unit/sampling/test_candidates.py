"""The model chooses among beginnings, and paints the chosen one as it would without a choice."""

import dataclasses

import pytest
import torch

from majolica.errors import UserError
from majolica.models.precision import autocast_in_use
from majolica.sampling import candidates
from majolica.sampling.candidates import RANK_TIME, candidate_seed, choose_seeds
from majolica.sampling.pipeline import Pipeline
from majolica.sampling.request import PaintRequest, PaintSettings, read_settings


def settings(pipeline: Pipeline, count: int) -> PaintSettings:
    return read_settings(PaintRequest("a fox", steps=5, candidates=count), pipeline.config, pipeline.properties)


def test_the_chosen_picture_is_that_of_its_seed(pipeline: Pipeline) -> None:
    prompts = ["a fox", "an owl"]
    condition = pipeline.condition(prompts, {})
    with autocast_in_use(pipeline.config.train.precision, pipeline.device):  # two of them are equal but for rounding
        seeds = choose_seeds(pipeline.model, condition, [3, 4], settings(pipeline, 4), None)
    assert all(seed in [candidate_seed(own, k) for k in range(4)] for own, seed in zip((3, 4), seeds, strict=True))
    chosen = pipeline.paint(prompts, steps=5, seed=[3, 4], candidates=4, batch=2)
    assert torch.equal(chosen, pipeline.paint(prompts, steps=5, seed=seeds, batch=2))


def test_the_best_by_the_models_own_eye_is_chosen(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = {
        seed: score for seed, score in zip([candidate_seed(7, k) for k in range(4)], (0.1, 0.2, 0.9, 0.3), strict=True)
    }
    monkeypatch.setattr(
        candidates, "_score", lambda model, condition, seeds, *rest: torch.tensor([scores[s] for s in seeds])
    )
    condition = pipeline.condition(["a fox"], {})
    assert choose_seeds(pipeline.model, condition, [7], settings(pipeline, 4), None) == [candidate_seed(7, 2)]
    assert choose_seeds(pipeline.model, condition, [7], settings(pipeline, 2), None) == [candidate_seed(7, 1)]


def test_candidates_are_carried_to_an_early_time_at_the_base_resolution(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[float, int]] = []
    perceive = pipeline.model.perceive

    def watch(base: torch.Tensor, t_B: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        seen.append((float(t_B[0]), base.shape[-1]))
        return perceive(base, t_B)

    monkeypatch.setattr(pipeline.model, "perceive", watch)
    large = dataclasses.replace(settings(pipeline, 3), size=pipeline_size(pipeline, 32))
    choose_seeds(pipeline.model, pipeline.condition(["a fox"], {}), [7], large, None)
    assert max(t for t, _ in seen if t < 1) <= RANK_TIME and {side for _, side in seen} == {16}


def pipeline_size(pipeline: Pipeline, side: int):  # type: ignore[no-untyped-def]
    return read_settings(PaintRequest("a fox", side), pipeline.config, pipeline.properties).size


def test_what_is_held_is_that_of_the_chosen_seed(pipeline: Pipeline) -> None:
    asked = {"prompts": "a fox", "steps": 5, "properties": {"brightness": 0.6}, "hold": True}
    chosen = pipeline.paint(seed=7, candidates=4, **asked)  # type: ignore[arg-type]
    alone = [pipeline.paint(seed=candidate_seed(7, k), **asked) for k in range(4)]  # type: ignore[arg-type]
    assert any(torch.equal(chosen, picture) for picture in alone)


def test_one_candidate_is_the_seed_itself(pipeline: Pipeline) -> None:
    assert candidate_seed(7, 0) == 7 and len({candidate_seed(7, k) for k in range(99)}) == 99
    plain = pipeline.paint("a fox", steps=2, seed=7)
    assert torch.equal(plain, pipeline.paint("a fox", steps=2, seed=7, candidates=1))


@pytest.mark.parametrize("count", [0, -1, 1.5, "two"])
def test_what_is_no_number_of_candidates(pipeline: Pipeline, count: object) -> None:
    with pytest.raises(UserError, match="the number of candidates is"):
        pipeline.paint("a fox", candidates=count)  # type: ignore[arg-type]
