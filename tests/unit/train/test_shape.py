"""What is said where a run goes on in another shape."""

from __future__ import annotations

import dataclasses

import pytest

from majolica.config.run import RunConfig
from majolica.train.shape import shape_notes, shape_of


def run(batch: int, accumulate: int, processes: int) -> RunConfig:
    config = RunConfig()
    train = dataclasses.replace(config.train, batch=batch, accumulate=accumulate, processes=processes)
    return dataclasses.replace(config, train=train)


def test_nothing_is_said_of_the_same_shape_or_an_unknown_one() -> None:
    assert shape_notes(shape_of(run(16, 2, 1)), run(16, 2, 1)) == []
    assert shape_notes(None, run(16, 2, 1)) == []


@pytest.mark.parametrize(
    ("here", "said"),
    [
        ((8, 2, 2), "trains the same rows in the same way, to within rounding"),
        ((8, 4, 1), "reads the same samples, but which of them are clean"),
        ((16, 1, 2), "reads the same samples, but which of them are clean"),
        ((16, 2, 2), "an optimiser step takes 64 of them in place of 32"),
    ],
)
def test_what_stays_and_what_does_not(here: tuple[int, int, int], said: str) -> None:
    [note] = shape_notes(shape_of(run(16, 2, 1)), run(*here))
    assert "16 rows x 2 micro-steps x 1 process" in note and said in note and "\n" not in note
