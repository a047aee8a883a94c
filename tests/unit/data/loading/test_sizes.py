"""In which sizes pictures come: cut to the square, larger for fine rows, or in buckets of like shape."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from loaded import loader_of, rows
from majolica.config.data import DataConfig
from majolica.config.split import scale_at
from majolica.data.loading.loader import Batch, Loader, LoaderSizes
from majolica.data.loading.reader import Reader, SampleRequest
from majolica.data.store.pack import write_shards
from majolica.data.store.record import Record
from majolica.data.store.shards import ShardSet
from majolica.errors import UserError
from picture_files import encoded

Picture = Callable[..., bytes]


def test_pictures_are_cut_to_the_square_and_scaled(tmp_path: Path) -> None:
    stripes = np.zeros((40, 80, 3), np.uint8)
    stripes[:, 20:60] = 200  # only the middle is light, so the central square is nothing else
    from PIL import Image

    Image.fromarray(stripes).save(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    write_shards(tmp_path / "s", [Record(data, "png", "stripes", {"label": 0})])
    for resolution in (10, 40, 64):
        with loader_of(tmp_path / "s", 2, LoaderSizes(resolution)) as loader:
            images = next(loader).images_B3HW
        assert images.shape == (2, 3, resolution, resolution) and images.dtype == torch.uint8
        assert (images == 200).all()


def test_fine_pictures_are_kept_where_there_are_pixels(tmp_path: Path, picture: Picture) -> None:
    records = [Record(picture(i, *((32, 32) if i % 2 else (20, 40))), "png", str(i), {}) for i in range(40)]
    write_shards(tmp_path / "s", records)
    size = LoaderSizes(8, scales=(4,), fine=12)
    with loader_of(tmp_path / "s", 40, size, seed=1) as loader:
        batches = [next(loader) for _ in range(3)]
    found: dict[int, bool] = {}
    for batch in batches:
        assert batch.images_B3HW.shape == (40, 3, 8, 8) and batch.large[4].shape[1:] == (3, 32, 32)
        assert batch.places_B.tolist() == list(range(40))
        reds = [int(text) for text in batch.captions]
        assert batch.images_B3HW[:, 0, 0, 0].tolist() == reds
        assert batch.large[4][:, 0, 0, 0].tolist() == [reds[i] for i in batch.large_rows[4]]
        assert list(batch.large_rows[4]) == [i for i in range(12) if reds[i] % 2]  # the first twelve, if they are large
        found |= {int(p): i in batch.large_rows[4] for i, p in enumerate(batch.positions_B)}
    assert 3 < sum(found.values()) < 33
    parts = []
    for rank in range(4):
        with loader_of(tmp_path / "s", 10, size, seed=1, rank=rank, world=4, threads=1) as loader:
            parts += [next(loader) for _ in range(3)]
    assert found == {int(p): i in b.large_rows[4] for b in parts for i, p in enumerate(b.positions_B)}
    assert all(torch.equal(b.positions_B % 40, b.places_B) for b in parts)


def test_scales_take_turns_by_place(tmp_path: Path, picture: Picture) -> None:
    write_shards(tmp_path / "s", [Record(picture(i, 32, 32), "png", str(i), {}) for i in range(40)])
    with loader_of(tmp_path / "s", 20, LoaderSizes(8, scales=(2, 4), fine=12), seed=1) as loader:
        batch = next(loader)
    rows = {scale: [place for place in range(12) if scale_at(place, (2, 4)) == scale] for scale in (2, 4)}
    for scale in (2, 4):
        assert list(batch.large_rows[scale]) == rows[scale]
        assert batch.large[scale].shape == (len(rows[scale]), 3, 8 * scale, 8 * scale) and len(rows[scale]) > 4
        assert batch.large[scale][:, 0, 0, 0].tolist() == [int(batch.captions[i]) for i in rows[scale]]


def test_buckets_keep_proportions(tmp_path: Path, picture: Picture) -> None:
    sizes = [(64, 32), (32, 64), (48, 48)]
    records = [Record(picture(i, *sizes[i % 3]), "png", str(i), {}) for i in range(90)]
    write_shards(tmp_path / "s", records)
    with loader_of(tmp_path / "s", 6, LoaderSizes(16, patch=2), seed=1, buckets=True) as loader:
        batches = [next(loader) for _ in range(45)]
    shapes = {tuple(batch.images_B3HW.shape[2:]) for batch in batches}
    assert len(shapes) == 3 and all(h * w <= 256 and h % 2 == w % 2 == 0 for h, w in shapes)
    for batch in batches:
        width, height = sizes[int(batch.captions[0]) % 3]
        assert {sizes[int(text) % 3] for text in batch.captions} == {(width, height)}
        h, w = batch.images_B3HW.shape[2:]
        assert abs(np.log(h / w) - np.log(height / width)) < 0.2


def test_buckets_keep_their_order_on_resume_where_the_batch_is_cut_up(tmp_path: Path, picture: Picture) -> None:
    records = [Record(picture(i, *[(64, 32), (32, 64)][i % 2]), "png", str(i), {"label": i}) for i in range(60)]
    write_shards(tmp_path / "s", records)

    def loader(batch: int, rank: int = 0, world: int = 1) -> Loader:
        return loader_of(tmp_path / "s", batch, LoaderSizes(8, patch=2), 1, rank, world, buckets=True)

    with loader(12) as whole:
        next(whole), next(whole)
        state = json.loads(json.dumps(whole.state()))
        rest = rows([next(whole) for _ in range(4)])
    parts: list[Batch] = []
    for rank in range(2):  # 2 x 3 rows, twice as many micro-steps
        with loader(3, rank, 2) as part:
            assert part.load(state) == []
            parts += [next(part) for _ in range(8)]
            assert part.state()["order"]["unit"] == 12
    assert rows(parts) == rest
    with loader(8) as other, pytest.raises(UserError, match="is now 8: choose them so that their product divides 12"):
        other.load(state)


def test_a_batch_that_would_have_rows_of_two_buckets_is_refused(tmp_path: Path, picture: Picture) -> None:
    """After an odd number of steps with half the batch, the former batch no longer begins with a bucket."""
    write_shards(
        tmp_path / "s", [Record(picture(i, *[(64, 32), (32, 64)][i % 2]), "png", str(i), {}) for i in range(60)]
    )
    with loader_of(tmp_path / "s", 12, LoaderSizes(8, patch=2), buckets=True) as whole:
        state = whole.state()
        with loader_of(tmp_path / "s", 6, LoaderSizes(8, patch=2), buckets=True) as half:
            half.load(state)
            next(half)
            state = half.state()
            assert half.load(state) == []
        with pytest.raises(
            UserError, match="is now 12, which does not divide the 6 samples that the saved run has read"
        ):
            whole.load(state)


def test_a_cached_sample_does_not_depend_on_the_shape_that_was_wanted_first(tmp_path: Path, picture: Picture) -> None:
    """A sample that stands for a bad one of another bucket is wanted in two shapes."""
    noise = np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8)
    write_shards(tmp_path, [Record(encoded(noise), "jpg", "a", {})])

    def read(*sides: int) -> torch.Tensor:
        with ShardSet(tmp_path) as shards:
            reader = Reader([shards], 1, 0, DataConfig(shards="s", cache=True))
            for side in sides:
                image_3HW = torch.empty(3, side, side, dtype=torch.uint8)
                reader.row(SampleRequest(0, 0, 0, (side, side), 1), image_3HW)
        return image_3HW

    assert torch.equal(read(8, 128), read(128))
