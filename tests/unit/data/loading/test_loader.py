"""Sample k is the same whatever the threads, ranks and batch; resume is exact; bad samples are capped."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from majolica.config.run import DataConfig, SourceConfig
from majolica.data.loading.loader import Batch, Loader, Size
from majolica.data.loading.sources import captions
from majolica.data.loading.split import load_split
from majolica.data.order.permutation import sample_index
from majolica.data.store import caption_text
from majolica.data.store.pack import write_shards
from majolica.data.store.record import Record
from majolica.data.store.shards import ShardSet
from majolica.errors import UserError

Write = Callable[..., Path]
Picture = Callable[..., bytes]
SMALL = Size(8)
Rows = dict[int, tuple[bytes, str, int]]


def number_of(image_3HW: torch.Tensor) -> int:
    """Which sample a picture of `write` shows: the red and the green of every pixel say its number."""
    red, green = image_3HW[:2, 0, 0].tolist()
    return int(red) + 256 * int(green)


def rows(batches: list[Batch]) -> Rows:
    """What stands at each position: pixels, caption, number of the sample."""
    found: Rows = {}
    for batch in batches:
        for image, caption, position in zip(batch.images_B3HW, batch.captions, batch.positions_B.tolist(), strict=True):
            assert position not in found
            found[position] = (image.numpy().tobytes(), caption, number_of(image))
    return found


def loader_of(
    folder: Path, batch: int, size: Size = SMALL, seed: int = 0, rank: int = 0, world: int = 1, **config: Any
) -> Loader:
    return Loader(DataConfig(shards=str(folder), **config), batch, size, seed, rank, world)


def read(folder: Path, n: int, batch: int = 12, rank: int = 0, world: int = 1, **config: object) -> Rows:
    with loader_of(folder, batch, seed=3, rank=rank, world=world, **config) as loader:
        return rows([next(loader) for _ in range(n)])


def test_position_decides_the_sample(write: Write) -> None:
    found = read(write(100), 25)
    expected = sample_index(np.arange(300), 100, 3)
    assert sorted(found) == list(range(300))
    for position, (pixels, caption, label) in found.items():
        assert label == expected[position]
        assert caption == f"number {label}"
        assert pixels == bytes([label] * 64 + [0] * 64 + [7] * 64)


def test_threads_batch_and_cache_change_nothing(write: Write) -> None:
    folder = write(100, bad=frozenset({7, 50}))
    plain = read(folder, 20, threads=1, bad_share=1.0)
    assert read(folder, 20, threads=0, bad_share=1.0) == plain
    assert read(folder, 20, threads=3, bad_share=1.0) == plain
    assert read(folder, 20, threads=16, bad_share=1.0) == plain
    assert read(folder, 20, threads=2, cache=True, bad_share=1.0) == plain
    assert read(folder, 48, batch=5, threads=2, bad_share=1.0) == plain


@pytest.mark.parametrize("world", [2, 3, 4])
def test_any_number_of_ranks_reads_the_same_global_order(write: Write, world: int) -> None:
    folder = write(100, bad=frozenset({3}))
    plain = read(folder, 20, bad_share=1.0)
    parts = [read(folder, 20, batch=12 // world, rank=r, world=world, bad_share=1.0) for r in range(world)]
    assert {p: row for part in parts for p, row in part.items()} == plain
    assert [sorted(part)[:3] for part in parts] == [[r, r + world, r + 2 * world] for r in range(world)]


def test_an_epoch_visits_every_sample_once(write: Write) -> None:
    found = read(write(96), 16)
    for epoch in range(2):
        labels = sorted(found[epoch * 96 + i][2] for i in range(96))
        assert labels == list(range(96))


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


def test_other_weights_are_said(write: Write) -> None:
    config = mixed(write)
    with Loader(config, 4, SMALL, 0) as loader:
        state = json.loads(json.dumps(loader.state()))
    with Loader(dataclasses.replace(config, weights_over=7), 4, SMALL, 0) as loader:
        [note] = loader.load(state)
        assert "weights of the sources" in note


def test_bad_sample_is_replaced_by_another_of_the_set_and_counted(write: Write) -> None:
    folder = write(100, bad=frozenset({41}))
    with loader_of(folder, 10, seed=3, bad_share=0.02) as loader:
        found = rows([next(loader) for _ in range(40)])
        assert loader.faults == {"picture cannot be decoded": 4}  # once an epoch
    whole = read(write(100), 40, batch=10)
    moved = [p for p in found if found[p] != whole[p]]
    assert [whole[p][2] for p in moved] == [41] * 4
    assert all(found[p][2] != 41 for p in moved)


def test_a_replaced_sample_is_named_by_its_tar_and_its_key(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    folder = write(100, bad=frozenset({41}))
    with loader_of(folder, 10, seed=3, bad_share=0.02) as loader:
        for _ in range(20):
            next(loader)
    place = f'{folder}/00001.tar: sample "000010001"'
    assert caplog.messages == [f"{place} is replaced: picture cannot be decoded (begins with 89504e47206e6f6e)"]


def test_a_sample_that_evaluation_leaves_out_is_named_too(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    folder = write(3, bad=frozenset({1}))
    assert load_split(folder)[1] == ["number 0", "number 2"]
    assert caplog.messages[0].startswith(f'{folder}/00000.tar: sample "000000001" is left out: picture cannot be')


def test_a_sample_of_a_tar_that_cannot_be_read_has_its_number_in_it(write: Write) -> None:
    folder = write(100)
    shards = ShardSet(folder)
    (folder / "00001.tar").unlink()
    assert shards.place_of(41) == f"{folder}/00001.tar: sample 1 of the tar"
    assert shards.place_of(99) == f'{folder}/00002.tar: sample "000020019"'


def test_too_many_bad_samples_stop_training(write: Write) -> None:
    folder = write(100, bad=frozenset(range(0, 100, 10)))
    with loader_of(folder, 20, seed=3, bad_share=0.05) as loader:
        with pytest.raises(UserError, match=r"of \d+ samples in .* cannot be read .*picture cannot be decoded"):
            for _ in range(10):
                next(loader)
        assert loader.tallies[0].rows <= 100


def test_nothing_but_bad_samples(write: Write) -> None:
    folder = write(3, bad=frozenset(range(3)))
    with loader_of(folder, 2) as loader, pytest.raises(UserError, match="samples in a row"):
        next(loader)
    with pytest.raises(UserError, match="no picture"):
        load_split(folder)


def test_pictures_are_cut_to_the_square_and_scaled(tmp_path: Path) -> None:
    stripes = np.zeros((40, 80, 3), np.uint8)
    stripes[:, 20:60] = 200  # only the middle is light, so the central square is nothing else
    from PIL import Image

    Image.fromarray(stripes).save(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    write_shards(tmp_path / "s", [Record(data, "png", "stripes", {"label": 0})])
    for resolution in (10, 40, 64):
        with loader_of(tmp_path / "s", 2, Size(resolution)) as loader:
            images = next(loader).images_B3HW
        assert images.shape == (2, 3, resolution, resolution) and images.dtype == torch.uint8
        assert (images == 200).all()


def test_training_parses_no_metadata_and_evaluation_has_it(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(30)
    ShardSet(folder).close()  # the scan for the index is over before the parses are counted
    parsed: list[bytes] = []

    def loads(data: bytes) -> Any:
        parsed.append(data)
        return json.loads(data)

    monkeypatch.setattr(caption_text, "json", SimpleNamespace(loads=loads))
    assert len(read(folder, 5)) == 60 and parsed == []
    assert [meta["label"] for meta in load_split(folder)[2]] == list(range(30))
    assert len(parsed) == 30  # a parse in training would have been counted too


def test_training_reads_no_byte_of_metadata(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(30)
    with tarfile.open(folder / "00000.tar") as tar:
        places = {member.offset_data for member in tar.getmembers() if member.name.endswith(".json")}
    seen: list[int] = []
    pread = os.pread

    def watch(handle: int, size: int, offset: int) -> bytes:
        seen.append(offset)
        return pread(handle, size, offset)

    monkeypatch.setattr(os, "pread", watch)
    assert len(read(folder, 5)) == 60 and len(seen) >= 120 and not places & set(seen)
    load_split(folder)
    assert len(places) == 30 and places <= set(seen)


def test_training_finds_captions_that_stand_in_the_metadata(tmp_path: Path, picture: Picture) -> None:
    folder = tmp_path / "in-json"
    folder.mkdir()
    with tarfile.open(folder / "00000.tar", "w") as tar:
        for i in range(8):
            for name, data in (("png", picture(i, 8, 8)), ("json", json.dumps({"caption": f"number {i}"}).encode())):
                member = tarfile.TarInfo(f"{i:05d}.{name}")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
    for _, caption, number in read(folder, 2, batch=8).values():
        assert caption == f"number {number}"


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
    assert list(captions(DataConfig(shards=str(folder)))) == [f"number {i}" for i in range(90)]
    assert load_split(folder, limit=2, resolution=4)[0].shape == (2, 3, 4, 4)


def test_load_split_can_be_spread_over_the_whole_folder(write: Write) -> None:
    folder = write(90, bad=frozenset({30}))
    assert [meta["label"] for meta in load_split(folder, limit=6, spread=True)[2]] == [0, 15, 45, 60, 75]
    assert [meta["label"] for meta in load_split(folder, limit=60, spread=True)[2]][-1] == 88
    assert len(load_split(folder, limit=100, spread=True)[2]) == 89


def mixed(write: Write, **config: Any) -> DataConfig:
    folders = [write(100), write(60), write(30, bad=frozenset({3}))]
    parts = zip(folders, (5.0, 3.0, 2.0), strict=True)
    sources = tuple(SourceConfig(str(folder), weight) for folder, weight in parts)
    settings: dict[str, Any] = {"weights_end": (1.0, 1.0, 8.0), "weights_over": 30_000, "bad_share": 1.0, **config}
    return DataConfig(sources=sources, **settings)


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


def rows_of_mixture(batches: list[Batch]) -> dict[int, tuple[str, bytes]]:
    return {
        int(p): (c, x.numpy().tobytes())
        for b in batches
        for p, c, x in zip(b.positions_B, b.captions, b.images_B3HW, strict=True)
    }


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
        ({"weights_end": (1.0,)}, "--data.weights-end has 1 weights and there are 3 sources"),
        ({"weights_end": (0.0, 0.0, 0.0)}, "one must be above 0"),
        ({"weights_end": (1.0, -1.0, 1.0)}, "none may be negative"),
    ],
)
def test_weights_that_do_not_fit(write: Write, change: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Loader(mixed(write, **change), 2, SMALL, 0)


def test_fine_pictures_are_kept_where_there_are_pixels(tmp_path: Path, picture: Picture) -> None:
    records = [Record(picture(i, *((32, 32) if i % 2 else (20, 40))), "png", str(i), {}) for i in range(40)]
    write_shards(tmp_path / "s", records)
    size = Size(8, scale=4, fine=12)
    with loader_of(tmp_path / "s", 40, size, seed=1) as loader:
        batches = [next(loader) for _ in range(3)]
    found: dict[int, bool] = {}
    for batch in batches:
        assert batch.images_B3HW.shape == (40, 3, 8, 8) and batch.fine_F3HW.shape[1:] == (3, 32, 32)
        assert batch.places_B.tolist() == list(range(40))
        reds = [int(text) for text in batch.captions]
        assert batch.images_B3HW[:, 0, 0, 0].tolist() == reds
        assert batch.fine_F3HW[:, 0, 0, 0].tolist() == [reds[i] for i in batch.fine_rows]
        assert list(batch.fine_rows) == [i for i in range(12) if reds[i] % 2]  # the first twelve, if they are large
        found |= {int(p): i in batch.fine_rows for i, p in enumerate(batch.positions_B)}
    assert 3 < sum(found.values()) < 33
    parts = []
    for rank in range(4):
        with loader_of(tmp_path / "s", 10, size, seed=1, rank=rank, world=4, threads=1) as loader:
            parts += [next(loader) for _ in range(3)]
    assert found == {int(p): i in b.fine_rows for b in parts for i, p in enumerate(b.positions_B)}
    assert all(torch.equal(b.positions_B % 40, b.places_B) for b in parts)


def test_buckets_keep_proportions(tmp_path: Path, picture: Picture) -> None:
    sizes = [(64, 32), (32, 64), (48, 48)]
    records = [Record(picture(i, *sizes[i % 3]), "png", str(i), {}) for i in range(90)]
    write_shards(tmp_path / "s", records)
    with loader_of(tmp_path / "s", 6, Size(16, patch=2), seed=1, buckets=True) as loader:
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
        return loader_of(tmp_path / "s", batch, Size(8, patch=2), 1, rank, world, buckets=True)

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
