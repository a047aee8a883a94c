"""Resume goes on exactly where the data are the same, and is refused where they are not."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from loaded import SMALL, loader_of, rows
from majolica.config.data import DataConfig, SourceConfig
from majolica.data.loading.loader import Loader
from majolica.data.order.permutation import sample_index
from majolica.data.store.pack import write_shards
from majolica.data.store.record import Record
from majolica.data.store.shards import ShardSet
from majolica.errors import UserError

Write = Callable[..., Path]


@pytest.mark.parametrize("stop", [0, 1, 7])
def test_resume_goes_on_exactly(write: Write, stop: int) -> None:
    folder = write(100, bad=frozenset({9}))
    config = {"threads": 2, "bad_share": 1.0}
    with loader_of(folder, 12, seed=3, **config) as loader:
        before = [next(loader) for _ in range(stop)]
        state = loader.state()
        rest = [next(loader) for _ in range(9)]
        loader.load(state)
        again = [next(loader) for _ in range(9)]
    assert rows(rest) == rows(again)
    with loader_of(folder, 12, seed=3, **config) as fresh:
        fresh.load(state)
        assert rows([next(fresh) for _ in range(9)]) == rows(rest)
    # The world may change in between: the position is global.
    halves = []
    for rank in range(2):
        with loader_of(folder, 6, seed=3, rank=rank, world=2, **config) as half:
            half.load(state)
            halves += [next(half) for _ in range(9)]
    assert rows(halves) == rows(rest)
    assert state["position"] == 12 * len(before)


def test_resume_refuses_other_data_and_another_seed(write: Write) -> None:
    with loader_of(write(50), 4) as one, loader_of(write(51), 4) as other:
        with pytest.raises(UserError, match="not those of the saved run"):
            other.load(one.state())
        with pytest.raises(UserError, match="seed 1"):
            one.load({**one.state(), "seed": 1})


def test_data_that_have_moved_are_named_as_the_configuration_names_them(write: Write) -> None:
    first, second, other = (SourceConfig(str(write(count))) for count in (50, 51, 52))
    cases = (
        (DataConfig(first.shards), DataConfig(other.shards), "--data.shards"),
        (
            DataConfig(sources=(first, second)),
            DataConfig(sources=(first, other)),
            "--data.sources.0.shards to --data.sources.1.shards",
        ),
    )
    for before, after, options in cases:
        with Loader(before, 4, SMALL, 0) as one:
            state = one.state()
        with Loader(after, 4, SMALL, 0) as moved, pytest.raises(UserError) as refused:
            moved.load(state)
        assert f"name where they are now with {options}, or" in str(refused.value)


def rewritten(folder: Path, change: Callable[[Record], Record]) -> None:
    """Write the tars of a set again, of the same size, each sample changed."""
    shards = ShardSet(folder)
    records = [change(shards.read(i)) for i in range(len(shards))]
    sizes = [(tar.name, tar.size, tar.count) for tar in shards.tars]
    write_shards(folder, records, shards.tars[0].count)
    shards = ShardSet(folder)
    assert [(tar.name, tar.size, tar.count) for tar in shards.tars] == sizes


@pytest.mark.parametrize(
    "change",
    [
        lambda record: dataclasses.replace(record, caption=record.caption.upper()),
        lambda record: dataclasses.replace(record, caption=f"{record.caption} or so"),
        lambda record: dataclasses.replace(record, image=record.image[:-60] + bytes(60)),
    ],
    ids=["captions", "longer captions", "pictures"],
)
def test_resume_refuses_tars_written_anew_with_the_same_size(write: Write, change: Callable[[Record], Record]) -> None:
    folder = write(50)
    with loader_of(folder, 4) as loader:
        state = json.loads(json.dumps(loader.state()))
    rewritten(folder, change)
    with loader_of(folder, 4) as loader, pytest.raises(UserError, match="other pictures or captions"):
        loader.load(state)


def test_resume_goes_on_where_tars_were_only_copied_and_says_so(write: Write) -> None:
    folder = write(50)
    with loader_of(folder, 4) as loader:
        state = loader.state()
        assert loader.load(state) == []
    rewritten(folder, lambda record: record)
    for tar in folder.glob("*.tar"):
        os.utime(tar, (1, 1))
    with loader_of(folder, 4) as loader:
        [note] = loader.load(state)
        assert "were written or copied since" in note
        assert loader.load(loader.state()) == []


def test_states_of_older_versions_go_on_or_are_refused(write: Write) -> None:
    """One source has always been read in this order; mixtures and buckets have not."""
    folder = write(50)
    with loader_of(folder, 4) as loader:
        old = {name: loader.state()[name] for name in ("position", "seed", "manifest")}
        assert loader.load({**old, "position": 8}) == []
        assert next(loader).captions == [f"number {i}" for i in sample_index(np.arange(8, 12), 50, 0)]
        with pytest.raises(UserError, match="order 99"):
            loader.load({**loader.state(), "order": {**loader.state()["order"], "version": 99}})
    sources = (SourceConfig(str(folder)), SourceConfig(str(write(30))))
    with Loader(DataConfig(sources=sources), 4, SMALL, 0) as loader:
        old = {name: loader.state()[name] for name in ("position", "seed", "manifest")}
        with pytest.raises(UserError, match="earlier version"):
            loader.load(old)
