"""The pipeline's answers to bad input, on a tiny model."""

from pathlib import Path

import pytest
import torch

from majolica.errors import UserError
from majolica.sampling.pipeline import Pipeline


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"prompts": [" "]}, "the prompt is empty"),
        ({"prompts": ["x" * 10_000]}, "10,000 characters"),
        ({"prompts": ["a fox"], "size": 50}, "50 is no multiple of the base resolution 16: use 48"),
        ({"prompts": ["a fox"], "size": 0}, "no multiple"),
        ({"prompts": ["a fox"], "size": 48_000}, "size 48000 is too large: 4096 is the most (256 times 16)"),
        ({"prompts": ["a fox"], "guidance": float("nan")}, "guidance is nan: give a number"),
        ({"prompts": ["a fox"], "properties": {"wetness": 0.5}}, "unknown property 'wetness'"),
        ({"prompts": ["a fox"], "properties": {"brightness": 7.0}}, "brightness runs from 0.1 to 0.9"),
        ({"prompts": ["a fox"], "properties": {"brightness": [0.2, 0.3]}}, "brightness has 2 values for 1 picture"),
        ({"prompts": ["a fox"], "properties": {"brightness": "high"}}, "brightness is 'high': give a number"),
        ({"prompts": ["a fox"], "properties": ["brightness"]}, "the properties are of type list: give a dictionary"),
        ({"prompts": ["a fox"], "solver": "guess"}, "unknown solver 'guess'"),
        ({"prompts": ["a fox"], "churn": -1}, "the churn is -1: give a number from 0"),
        ({"prompts": ["a fox"], "churn": float("nan")}, "churn"),
        ({"prompts": ["a fox"], "churn": "much"}, "churn"),
        ({"prompts": []}, "there is no prompt"),
        ({"prompts": ["a fox", 7]}, "prompt 1 is of type int: give strings"),
        ({"prompts": {"a fox": 1}}, "the prompts are of type dict"),
        ({"prompts": None}, "the prompts are of type NoneType"),
        ({"prompts": "a fox", "steps": 0}, "the number of steps is 0: at least 1"),
        ({"prompts": "a fox", "steps": 2.5}, "the number of steps is 2.5: give a whole number"),
        ({"prompts": "a fox", "batch": 0}, "the batch is 0: at least 1"),
        ({"prompts": "a fox", "size": "wide"}, "the size is 'wide': give a side in pixels, or width and height"),
        ({"prompts": "a fox", "guidance": -1}, "guidance is -1: give 0 to 1000"),
        ({"prompts": "a fox", "property_guidance": "much"}, "property guidance is 'much': give a number"),
        ({"prompts": "a fox", "seed": -1}, "the seed is -1: give a whole number from 0 to 2^63"),
        ({"prompts": "a fox", "seed": 2**63 + 1}, "the seed is 9223372036854775809: give"),
        ({"prompts": "a fox", "seed": 0.5}, "the seed is 0.5: give a whole number"),
        ({"prompts": "a fox", "last_time": 1.5}, "the last time is 1.5: give a flow time from 0 to 1, or auto"),
        ({"prompts": "a fox", "last_time": "late"}, "the last time is 'late': give a flow time from 0 to 1, or auto"),
        ({"prompts": "a fox", "tile": "large"}, "the tile is 'large': give a number of pixels, auto, or off"),
        ({"prompts": "a fox", "tile": 8}, "the tile is 8 px: 32 is the least"),
        ({"prompts": "a fox", "tile": 64.0}, "the tile is 64.0: give a whole number"),
        ({"prompts": "a fox", "seed": "7"}, "the seed is '7': give a whole number"),
        ({"prompts": "a fox", "steps": "3"}, "the number of steps is '3': give a whole number"),
        ({"prompts": "a fox", "properties": {"brightness": "0.5"}}, "brightness is '0.5': give a number, or a percent"),
        ({"prompts": "a fox", "properties": {"brightness": ["0.5"]}}, "brightness is '0.5': give a number, or a"),
        (
            {"prompts": ["a fox", "an owl"], "properties": {"brightness": [0.3, None]}},
            "brightness is [0.3, None]: give a number, or one for each picture",
        ),
        ({"prompts": "a fox", "property_guidance": 3}, "the property guidance would change nothing where no property"),
        (
            {"prompts": "a fox", "properties": {"brightness": 0.4}, "property_guidance": {"contrast": 3}},
            "the guidance of contrast would change nothing: set contrast too, or leave it out",
        ),
        ({"prompts": "a fox", "raw": True}, "raw would change nothing where no property is set: set one, or leave it"),
        ({"prompts": "a fox", "any_size": True}, "any size is allowed, and none is given: give a size, or leave any"),
        ({"prompts": "a fox", "reference_guidance": 2}, "the reference guidance would change nothing: name a refer"),
        ({"prompts": "a fox", "seed": [1, 2]}, "there are 2 seeds for 1 picture"),
    ],
)
def test_bad_input_is_one_clear_line(pipeline: Pipeline, asked: dict[str, object], message: str) -> None:
    with pytest.raises(UserError) as caught:
        pipeline.paint(**asked)  # type: ignore[arg-type]
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_what_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no run in .*nope: train one \(majolica demo\), or name its folder$"):
        Pipeline.load(tmp_path / "nope", "cpu")
    with pytest.raises(UserError, match="the run is 5: give the path of its folder"):
        Pipeline.load(5)  # type: ignore[arg-type]


def test_one_label_leaves_no_choice(pipeline: Pipeline) -> None:
    images = torch.zeros(1, 3, 16, 16, dtype=torch.uint8)
    for labels in ("fox", ["fox"]):
        with pytest.raises(UserError, match="'fox' is the only label"):
            pipeline.classify(images, labels)
    with pytest.raises(UserError, match="the label 'fox' is given twice"):
        pipeline.classify(images, ["fox", "owl", "fox"])
    with pytest.raises(UserError, match="the label 'FOX' is given twice"):
        pipeline.classify(images, ["fox", "FOX"])


def test_a_device_that_is_not_there(tmp_path: Path) -> None:
    for name in ("abacus", "cuda:99"):
        with pytest.raises(UserError, match=f"the device '{name}' cannot be used here") as caught:
            Pipeline.load(str(tmp_path), name)
        assert "\n" not in str(caught.value)


def test_an_empty_label_is_not_called_a_prompt(pipeline: Pipeline) -> None:
    images = torch.zeros(1, 3, 16, 16, dtype=torch.uint8)
    with pytest.raises(UserError, match="the text is empty: say what the picture shows"):
        pipeline.embed_texts([" "])
    with pytest.raises(UserError, match="the label is empty: say what the picture shows"):
        pipeline.classify(images, ["fox", ""])
