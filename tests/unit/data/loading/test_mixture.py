"""Several sources by their weights: the same mixture on any ranks, and each source's own cap of bad samples."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loaded import SMALL
from majolica.config.data import DataConfig, SourceConfig
from majolica.data.loading.loader import Batch, Loader
from majolica.errors import UserError

Write = Callable[..., Path]


def mixed(write: Write, **config: Any) -> DataConfig:
    folders = [write(100), write(60), write(30, bad=frozenset({3}))]
    parts = zip(folders, (5.0, 3.0, 2.0), strict=True)
    sources = tuple(SourceConfig(str(folder), weight) for folder, weight in parts)
    settings: dict[str, Any] = {"weights_end": (1.0, 1.0, 8.0), "weights_over": 30_000, "bad_share": 1.0, **config}
    return DataConfig(sources=sources, **settings)


def rows_of_mixture(batches: list[Batch]) -> dict[int, tuple[str, bytes]]:
    return {
        int(p): (c, x.numpy().tobytes())
        for b in batches
        for p, c, x in zip(b.positions_B, b.captions, b.images_B3HW, strict=True)
    }


def test_a_mixture_is_elastic_and_resumes_exactly(write: Write) -> None:
    config = mixed(write, threads=2)
    with Loader(config, 12, SMALL, 3) as loader:
        whole = rows_of_mixture([next(loader) for _ in range(20)])
    with Loader(config, 12, SMALL, 3) as loader:
        before = [next(loader) for _ in range(7)]
        state = loader.state()
    halves = list(before)
    for rank in range(4):
        changed = dataclasses.replace(config, threads=1 + rank, ahead=rank)
        with Loader(changed, 3, SMALL, 3, rank, 4) as loader:
            loader.load(state)
            halves += [next(loader) for _ in range(13)]
    assert rows_of_mixture(halves) == whole


def test_other_weights_are_said(write: Write) -> None:
    config = mixed(write)
    with Loader(config, 4, SMALL, 0) as loader:
        state = json.loads(json.dumps(loader.state()))
    with Loader(dataclasses.replace(config, weights_over=7), 4, SMALL, 0) as loader:
        [note] = loader.load(state)
        assert "weights of the sources" in note


def test_a_mixture_keeps_its_weights_and_counts_faults_by_source(write: Write) -> None:
    with Loader(mixed(write, weights_end=(), ahead=1), 1000, SMALL, 3) as loader:
        for _ in range(10):
            next(loader)
        assert [tally.rows for tally in loader.tallies] == [5000, 3000, 2000]
        assert [tally.faults.total() > 0 for tally in loader.tallies] == [False, False, True]
        assert len(loader) == 190


def test_a_temperature_takes_the_place_of_weights(write: Write) -> None:
    with Loader(mixed(write, weights_end=(), ahead=0, temperature=2.0), 1000, SMALL, 3) as loader:
        for _ in range(10):
            next(loader)
        roots = np.sqrt([100, 60, 30])
        assert np.abs([tally.rows for tally in loader.tallies] - 10_000 * roots / roots.sum()).max() < 1


def test_a_source_past_its_cap_stops_training_however_small_its_share(write: Write) -> None:
    config = mixed(write, bad_share=0.02)
    with Loader(config, 50, SMALL, 3) as loader, pytest.raises(UserError, match=r"shards30-1 cannot be read"):
        for _ in range(40):
            next(loader)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights_end": (1.0,)}, "--data.weights-end has 1 weight and there are 3 sources"),
        ({"weights_end": (0.0, 0.0, 0.0)}, "one must be above 0"),
        ({"weights_end": (1.0, -1.0, 1.0)}, "none may be negative"),
    ],
)
def test_weights_that_do_not_fit(write: Write, change: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Loader(mixed(write, **change), 2, SMALL, 0)
