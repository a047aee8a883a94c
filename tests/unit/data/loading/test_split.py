"""Reading a split whole, for evaluation: in the order of the shards, or spread over them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from majolica.config.data import DataConfig
from majolica.data.loading.sources import read_captions
from majolica.data.loading.split import load_split
from majolica.data.store.pack import write_shards
from majolica.data.store.record import Record
from majolica.data.store.shards import ShardSet

Write = Callable[..., Path]
Picture = Callable[..., bytes]


@pytest.mark.parametrize("extension", ["jpg", "png", "webp"])
def test_formats(tmp_path: Path, extension: str, picture: Picture) -> None:
    data = picture(60, 16, 16, extension)
    write_shards(tmp_path / "s", [Record(data, extension, "c", {})])
    images, texts, metas = load_split(tmp_path / "s")
    assert texts == ["c"] and metas[0]["caption"] == "c"
    assert (images[0].float().mean((1, 2)) - torch.tensor([60.0, 0.0, 7.0])).abs().max() <= 3


def test_load_split_and_captions_keep_the_order_of_the_shards(write: Write) -> None:
    folder = write(90, bad=frozenset({1}))
    images, texts, metas = load_split(folder, limit=50)
    assert images.shape == (50, 3, 8, 8)
    assert [meta["label"] for meta in metas] == [0, *range(2, 51)]
    assert images[:, 0, 0, 0].tolist() == [0, *range(2, 51)]
    assert texts[1] == "number 2"
    assert list(read_captions(DataConfig(shards=str(folder)))) == [f"number {i}" for i in range(90)]
    assert load_split(folder, limit=2, resolution=4)[0].shape == (2, 3, 4, 4)


def test_load_split_reads_as_the_data_are_configured(
    write: Write, picture: Picture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_shards(tmp_path / "s", [Record(picture(60, 8, 8), "png", caption, {}) for caption in ("a", "", "c")])
    closed: list[ShardSet] = []
    whole = ShardSet.close
    monkeypatch.setattr(ShardSet, "close", lambda self: closed.append(self) or whole(self))
    assert load_split(tmp_path / "s")[1] == ["a", "c"]
    assert load_split(tmp_path / "s", data=DataConfig(empty_captions="keep"))[1] == ["a", "", "c"]
    assert len(closed) == 2


def test_load_split_can_be_spread_over_the_whole_folder(write: Write) -> None:
    folder = write(90, bad=frozenset({30}))
    assert [meta["label"] for meta in load_split(folder, limit=6, spread=True)[2]] == [0, 15, 45, 60, 75]
    assert [meta["label"] for meta in load_split(folder, limit=60, spread=True)[2]][-1] == 88
    assert len(load_split(folder, limit=100, spread=True)[2]) == 89
