"""Which properties cannot be learned from the values that the first pictures have, and who says so."""

import dataclasses
import math
from pathlib import Path

import pytest
import torch

from majolica.launch.prepare import prepare_run
from majolica.properties.categories import NameTable
from majolica.properties.property import Property
from majolica.properties.registry import add_property
from majolica.train.property_values import explain_unlearnable
from tiny import tiny_run
from two_sources import write
from warmth import forget

__all__ = ["forget"]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([math.nan, math.nan], "own has no value in any of the first pictures"),
        ([0.5, 0.5, math.nan, 0.5], "own hardly varies in the first pictures, from 0.5 to 0.5"),
        (
            [0.5, -3, 7, 1],
            "own measures -3 to 7, outside of its range from 0 to 1 in 2 of the first 4 pictures",
        ),
        ([0.0, 1.0, 1.0001, math.nan], ""),
        ([i / 200 for i in range(200)] + [9.0], ""),
    ],
)
def test_what_cannot_be_learned_of_a_measure(values: list[float], reason: str) -> None:
    add_property("own", Property("none", 0.0, 1.0, lambda images_B3HW: images_B3HW[:, 0, 0, 0], source="own.py"))
    assert explain_unlearnable("own", torch.tensor(values), NameTable()) == reason


def test_what_is_built_in_may_leave_its_range_and_a_category_needs_two_names() -> None:
    assert explain_unlearnable("brightness", torch.tensor([0.2, 3.0]), NameTable()) == ""
    numbers = torch.tensor([0.0, 1.0])
    assert explain_unlearnable("source", numbers, NameTable(("coyo", "laion"))) == ""
    assert (
        explain_unlearnable("source", numbers, NameTable(("coyo",))) == "source is 'coyo' in all of the first pictures"
    )


def test_a_new_run_says_what_it_cannot_learn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tiny_run(Path(write(tmp_path / "one", 40)))
    names = ("brightness", "source", "watermark")
    config = dataclasses.replace(config, model=dataclasses.replace(config.model, properties=names))
    prepare_run(config, tmp_path / "run", resume=False)
    end = ": the run cannot learn to set it"
    notes = [line.removesuffix(end) for line in capsys.readouterr().err.splitlines() if line.endswith(end)]
    assert notes == [
        "note: brightness hardly varies in the first pictures, from 0.156863 to 0.156863",
        "note: source is 'one' in all of the first pictures",
        "note: watermark has no value in any of the first pictures",
    ]
