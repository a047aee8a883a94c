"""The pipeline's promises, on a tiny model."""

import dataclasses
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from majolica.config.flow_times import time_quantile
from majolica.config.io import save_config
from majolica.config.run import RunConfig
from majolica.errors import Notice, UserError
from majolica.models.initialise import materialise
from majolica.models.majolica import Majolica
from majolica.properties.quantiles import save_quantiles
from majolica.run.checkpoint import Saved, save_checkpoint
from majolica.sampling import paint_pictures, restore
from majolica.sampling.painting import integrate
from majolica.sampling.pipeline import Pipeline
from majolica.sampling.request import PaintRequest
from majolica.text.tokenizer import Tokenizer, train_tokenizer
from majolica.text.words import count_words
from tiny import CAPTIONS, TINY, awake


def test_loading_gives_the_saved_weights_and_the_constants(
    tokenizer: Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bit for bit, and nothing that the uninitialised memory held (here NaN) is left in the model."""

    def materialise_as_nan(model: torch.nn.Module, device: torch.device) -> None:
        materialise(model, device)
        with torch.no_grad():
            for value in (*model.parameters(), *model.buffers()):
                value.fill_(torch.nan)

    config = dataclasses.replace(RunConfig(), model=TINY)
    saved = awake(Majolica(dataclasses.replace(TINY, text=dataclasses.replace(TINY.text, vocab=tokenizer.vocab))))
    save_checkpoint(tmp_path, 1, Saved({"ema": dict(saved.state_dict())}, {}), keep=1)
    save_config(config, tmp_path / "config.yaml")
    train_tokenizer(CAPTIONS, tmp_path / "tokenizer.model", 300)
    save_quantiles(tmp_path, dict(zip(TINY.properties, saved.conditions.quantiles, strict=True)))
    monkeypatch.setattr(restore, "materialise", materialise_as_nan)
    state = torch.get_rng_state()
    loaded = Pipeline.load(tmp_path, "cpu").model
    assert torch.equal(torch.get_rng_state(), state)  # no first weights were drawn
    for kind in ("named_parameters", "named_buffers"):
        expected, found = dict(getattr(saved, kind)()), dict(getattr(loaded, kind)())
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            assert found[name].dtype == value.dtype and found[name].requires_grad == value.requires_grad
            assert torch.equal(found[name], value), name
    assert not loaded.training


def test_a_picture_depends_on_its_own_prompt_and_seed(pipeline: Pipeline) -> None:
    both = pipeline.paint(["a fox", "an owl"], steps=3)
    other = pipeline.paint(["a fox", "an owl"], steps=3, seed=[1, 0])
    assert not torch.equal(both[0], other[0])
    assert torch.equal(both[1], other[1])
    assert not torch.equal(both[1:], pipeline.paint("a cat", steps=3))


def test_any_row_can_be_painted_alone(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither its place nor its neighbours change a bit of a picture, before it is rounded to 255 levels too."""
    floats: list[torch.Tensor] = []

    def kept(*given: Any) -> torch.Tensor:
        floats.append(integrate(*given))
        return floats[-1]

    monkeypatch.setattr(paint_pictures, "integrate", kept)
    prompts, seeds, light = ["a fox", "an owl", "a cat", "a fox"], [3, 2**63, 0, 9], [0.2, 0.4, 0.6, 0.8]
    for size in (16, 32):
        together = pipeline.paint(prompts, size, {"brightness": light}, steps=3, seed=seeds)
        unrounded = torch.cat(floats)
        for row, prompt in enumerate(prompts):
            alone = pipeline.paint(prompt, size, {"brightness": light[row]}, steps=3, seed=seeds[row])
            assert torch.equal(alone[0], together[row])
            assert torch.equal(floats[-1][0], unrounded[row])
        floats.clear()


def test_a_batch_moves_values_by_one_at_most(pipeline: Pipeline) -> None:
    prompts = [f"a fox {place}" for place in range(7)]
    alone, batched = (pipeline.paint(prompts, steps=3, batch=batch) for batch in (1, 3))
    assert (alone.int() - batched.int()).abs().max() <= 1


def test_pictures_that_are_the_same_are_said(pipeline: Pipeline) -> None:
    with pytest.warns(Notice, match="pictures 0 and 2 .* give each its own seed"):
        painted = pipeline.paint(["a fox", "an owl", "a fox"], steps=2)
    assert torch.equal(painted[0], painted[2])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pipeline.paint(["a fox", "an owl", "a fox"], steps=2, seed=range(3))


def test_text_that_is_not_read_is_said(pipeline: Pipeline, tokenizer: Tokenizer) -> None:
    """Cut, or unknown to the run: in paint, embed and classify alike."""
    images = torch.zeros(1, 3, 16, 16, dtype=torch.uint8)
    pipeline.known_words = count_words(tokenizer, CAPTIONS, all_captions=True)
    long = "a fox on a teal background on a teal background"
    asks: list[tuple[str, Callable[[str], object]]] = [
        ("prompt", lambda text: pipeline.paint(text, steps=1)),
        ("text", pipeline.embed_texts),
        ("label", lambda text: pipeline.classify(images, ["cat", text])),
    ]
    for kind, ask in asks:
        with pytest.warns(Notice, match=f"the {kind} .*background.* was left out"):
            ask(long)
        with pytest.warns(Notice, match=f"the {kind} .*elephant"):
            ask("elephant")


def test_a_warning_names_the_line_that_called(pipeline: Pipeline) -> None:
    """Not a line of the pipeline, nor of torch, however many calls lie between."""
    images = torch.zeros(1, 3, 16, 16, dtype=torch.uint8)
    long = "a fox on a teal background on a teal background"
    calls: list[Callable[[], object]] = [
        lambda: pipeline.paint(long, steps=1),
        lambda: pipeline.paint_request(PaintRequest(long, steps=1)),
        lambda: pipeline.embed_texts(long),
        lambda: pipeline.embed_labels(["cat", long]),
        lambda: pipeline.classify(images, ["cat", long]),
    ]
    for call in calls:
        with pytest.warns(Notice) as heard:
            call()
        assert {warning.filename for warning in heard} == {__file__}


def test_a_part_of_a_request_is_painted_as_in_the_whole(pipeline: Pipeline) -> None:
    """A value for each picture stays with its picture, as a list, an array or a tensor; one for all is kept."""
    dials = {"brightness": [0.2, 0.4, 0.6], "contrast": torch.tensor([0.1, 0.2, 0.3]), "colourfulness": 0.2}
    whole = PaintRequest(["a fox", "an owl", "a cat"], None, dials, steps=2, seed=[3, 1, 2])
    parts = [whole.part(slice(0, 2)), whole.part(slice(2, 3))]
    assert [part.batch for part in parts] == [2, 1] and parts[1].seed == [2]
    together = pipeline.paint_request(whole)
    alone = torch.cat([pipeline.paint_request(dataclasses.replace(part, batch=1)) for part in parts])
    assert torch.equal(together, alone)
    assert PaintRequest("a fox", seed=7).part(slice(0, 1)) == PaintRequest(["a fox"], seed=[7])


def test_progress_counts_steps(pipeline: Pipeline) -> None:
    heard: list[tuple[int, int]] = []
    pipeline.paint(["a fox", "an owl", "a cat"], steps=2, batch=2, progress=lambda *told: heard.append(told))
    assert heard == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_guidance_of_one_turns_that_of_properties_off(pipeline: Pipeline) -> None:
    dials = {"brightness": 0.8}
    plain = pipeline.paint("a fox", None, dials, 3, 1.0)
    assert torch.equal(plain, pipeline.paint("a fox", None, dials, 3, 1.0, property_guidance=1.0))
    assert not torch.equal(plain, pipeline.paint("a fox", None, dials, 3, 1.0, property_guidance=1.5))
    usual = pipeline.paint("a fox", None, dials, 3, 2.0)
    assert torch.equal(usual, pipeline.paint("a fox", None, dials, 3, 2.0, property_guidance=2.0))


def test_dials_change_the_picture_and_their_ends_are_allowed(pipeline: Pipeline) -> None:
    plain = pipeline.paint(["a fox"], steps=3)
    for value in (0.05, 0.6):
        assert not torch.equal(plain, pipeline.paint(["a fox"], steps=3, properties={"colourfulness": value}))


def test_the_last_step_begins_where_training_went_to(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []
    perceive = pipeline.model.perceive

    def watch(base_B3HW: torch.Tensor, t_B: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        asked.append(float(t_B[0]))
        return perceive(base_B3HW, t_B)

    monkeypatch.setattr(pipeline.model, "perceive", watch)
    far = time_quantile(0.99, pipeline.config.loss)
    pipeline.paint("a fox", steps=8, solver="euler", churn=0)
    assert asked == pytest.approx([i / 7 * far for i in range(8)])
    asked.clear()
    pipeline.paint("a fox", steps=8, solver="euler", last_time=1, churn=0)
    assert asked == pytest.approx([i / 8 for i in range(8)])


def test_probabilities_sum_to_one(pipeline: Pipeline) -> None:
    images = torch.randint(256, (2, 3, 40, 30), dtype=torch.uint8)
    torch.testing.assert_close(pipeline.classify(images, ["fox", "owl", "cat"]).sum(1), torch.ones(2))
    torch.testing.assert_close(pipeline.embed_images(images).norm(dim=1), torch.ones(2))


def test_percentiles_may_differ_from_picture_to_picture(pipeline: Pipeline) -> None:
    def brightness(*given: object) -> list[float]:
        dials: Any = {"brightness": given[0] if len(given) == 1 else list(given)}
        return pipeline.condition(["a fox"] * 2, dials).values_BP[:, 0].tolist()

    low, high = brightness("p10")[0], brightness("p90")[0]
    assert low < high and brightness("p10") == [low] * 2
    assert brightness("p10", "p90") == [low, high]
    assert brightness("p10", 0.5) == [low, 0.5]


def test_holding_keeps_the_weights_of_properties(pipeline: Pipeline) -> None:
    """The picture that is held is painted without any property, so that their weights would change nothing there."""
    dials = {"properties": {"brightness": 0.6}, "property_guidance": {"brightness": 3}}
    assert pipeline.paint("a fox", steps=1, hold=True, raw=True, **dials).shape == (1, 3, 16, 16)  # type: ignore[arg-type]


def test_one_text_and_no_text(pipeline: Pipeline) -> None:
    assert pipeline.embed_texts("fox").shape == (1, 16)
    with pytest.raises(UserError, match="there is no text"):
        pipeline.embed_texts([])


def test_two_prompts_that_are_read_as_one_are_one_picture(pipeline: Pipeline) -> None:
    with pytest.warns(Notice, match="pictures 0 and 1 .* are one picture"):
        lower, upper = pipeline.paint(["a fox", "A FOX"], steps=1)
    assert torch.equal(lower, upper)
