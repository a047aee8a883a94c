"""Sizes that can be painted: the advice for one that cannot must work."""

import dataclasses

import pytest

from majolica.config.resolutions import base_only_notes, beyond_training_notes, scale_of, trained_sizes
from majolica.config.run import RunConfig
from majolica.errors import UserError


@pytest.mark.parametrize("base", [1, 16, 48, 256, 5000])
def test_advice_on_a_size_is_followed_once(base: int) -> None:
    """4144 -> 4128 -> 4096 -> 4080 took three tries with a base of 48."""
    for size in (-5, 0, 1, base - 1, base + 1, 50, 4080, 4095, 4097, 4128, 4144, 10**9):
        try:
            assert scale_of(size, base) * base == size
        except UserError as error:
            words = str(error).replace(":", "").split()
            advised = int(words[words.index("use") + 1].strip(",") if "use" in words else words[words.index("is") + 3])
            assert scale_of(advised, base) * base == advised


def test_trained_sizes() -> None:
    config = RunConfig()
    assert trained_sizes(config) == (256,)
    fine = dataclasses.replace(config, loss=dataclasses.replace(config.loss, fine_share=0.1, fine_scale=4))
    assert trained_sizes(fine) == (256, 1024)
    assert beyond_training_notes(1024, fine) == [] == beyond_training_notes(256, config)
    assert "--loss.fine-scale 2" in beyond_training_notes(512, config)[0]


def test_a_run_without_fine_rows_is_said_when_it_begins() -> None:
    config = RunConfig()
    assert "at 256 px only" in base_only_notes(config)[0] and "learns 512 px too" in base_only_notes(config)[0]
    assert base_only_notes(dataclasses.replace(config, loss=dataclasses.replace(config.loss, fine_share=0.1))) == []
