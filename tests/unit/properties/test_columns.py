"""Properties that are read from metadata."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from majolica.config.data import DataConfig
from majolica.config.loss import LossConfig
from majolica.data.loading.loader import Loader, LoaderSizes
from majolica.data.store.pack import write_shards
from majolica.data.store.record import Record
from majolica.errors import UserError
from majolica.launch.start import train
from majolica.objectives.draws import Draws
from majolica.objectives.joint import draw_condition
from majolica.properties.columns import FRAME
from majolica.properties.registry import (
    choose_columns,
    choose_measured,
    is_smooth,
    known_properties,
    measure_all,
    measure_property,
    read_all,
)
from majolica.sampling.pipeline import Pipeline
from picture_files import encoded
from tiny import tiny_run

LAION = {"AESTHETIC_SCORE": 6.5, "pwatermark": 0.1, "punsafe": 0.02, "similarity": 0.33, "width": 300, "height": 200}
COYO = {"aesthetic_score_laion_v2": 5, "watermark_score": 0.9, "clip_similarity_vitb32": 0.3, "nsfw_score_gantman": 0.4}
COLUMNS = ("aesthetic_score", "watermark", "nsfw", "text_similarity", "aspect", "original_resolution", "crop")


def test_which_are_read() -> None:
    assert set(choose_columns(known_properties())) == {*COLUMNS, "source"}
    assert choose_measured(("hue", "aesthetic_score", "contrast")) == ("hue", "contrast")
    assert not any(is_smooth(name) for name in COLUMNS)


def test_a_whole_number_beyond_all_floats_is_no_value() -> None:
    assert math.isnan(read_all(("aspect",), {"width": 10**400, "height": 1})[0])


def test_names_of_laion_and_coyo() -> None:
    assert read_all(COLUMNS, LAION) == pytest.approx((6.5, 0.1, 0.02, 0.33, 1.5, math.sqrt(60_000), 0))
    assert read_all(COLUMNS[:4], COYO) == (5.0, 0.9, 0.4, 0.3)


def test_the_original_counts_before_what_was_stored() -> None:
    stored = {"width": 256, "height": 256, "original_width": 1200, "original_height": 400}
    assert read_all(("aspect", "original_resolution"), stored) == pytest.approx((3.0, math.sqrt(480_000)))


@pytest.mark.parametrize("unknown", [{"width": -1}, {"width": -1, "height": -1}, {"width": 0, "original_height": 900}])
def test_a_size_that_is_not_known_is_none(unknown: dict[str, int]) -> None:
    assert all(map(math.isnan, read_all(("aspect", "original_resolution"), {"height": 500} | unknown)))


def test_width_and_height_are_those_of_one_picture() -> None:
    half_known = {"width": 256, "height": 256, "original_width": 1000}
    assert read_all(("aspect", "original_resolution"), half_known) == (1.0, 256.0)


@pytest.mark.parametrize(
    ("meta", "share"),
    [
        ({"width": 300, "height": 200, FRAME: 1.0}, 1 / 3),
        ({"width": 200, "height": 300, FRAME: 1.0}, 1 / 3),
        ({"width": 300, "height": 200, FRAME: 1.25}, 1 / 6),
        ({"width": 300, "height": 200}, 0.0),  # pictures are not cut
        ({"width": 300, "height": 200, FRAME: None}, 0.0),
        ({"width": 300, "height": 200, "frame": 120}, 0.0),  # of a video
        ({"width": 256, "height": 256, "original_width": 512, "original_height": 256}, 0.5),  # they were when stored
        ({"width": 256, "height": 256, "original_width": 512, "original_height": 256, FRAME: 1.0}, 0.5),
        ({"width": 900, "height": 100, FRAME: 1.0}, 2 / 3),
        ({FRAME: 1.0}, math.nan),
        ({}, math.nan),
    ],
)
def test_the_share_that_is_cut_away(meta: dict[str, float], share: float) -> None:
    assert read_all(("crop",), meta)[0] == pytest.approx(share, nan_ok=True)


@pytest.mark.parametrize(("how", "share"), [("crop", 0.5), ("pad", 0.0)])
def test_the_loader_knows_what_it_cuts_away(tmp_path: Path, how: Any, share: float) -> None:
    image = encoded(Image.new("RGB", (32, 16)))
    write_shards(tmp_path, [Record(image, "jpg", "a", {"width": 32, "height": 16})] * 4, per_shard=20)
    loader = Loader(DataConfig(shards=str(tmp_path), fit=how), 2, LoaderSizes(16), 0, columns=("crop",))
    assert next(loader).columns["crop"].tolist() == [share] * 2


@pytest.mark.parametrize("value", [None, "high", math.nan, math.inf, True, [1]])
def test_what_is_no_number_is_no_value(value: object) -> None:
    assert math.isnan(read_all(("aesthetic_score",), {"aesthetic": value})[0])
    assert math.isnan(read_all(("aspect",), {"width": 3, "height": 0})[0])


def test_values_beyond_the_range_are_its_ends() -> None:
    assert read_all(("aesthetic_score", "aspect"), {"aesthetic": 99, "width": 9, "height": 1}) == (10.0, 3.0)


def test_pictures_do_not_tell_them() -> None:
    with pytest.raises(UserError, match="aesthetic score is known from metadata only"):
        measure_property("aesthetic_score", torch.rand(1, 3, 4, 4))
    known = {"aesthetic_score": torch.tensor([5.0])}
    assert measure_all(("aesthetic_score", "brightness"), torch.ones(1, 3, 4, 4), known).tolist() == [[5.0, 1.0]]


def write(folder: Path) -> Path:
    """Twelve samples: every third has no score, and one has metadata that are none."""
    picture = encoded(Image.new("RGB", (32, 32), (90, 120, 150)))
    scores = [{} if i % 3 == 2 else {"aesthetic": i / 2} for i in range(12)]
    write_shards(folder, (Record(picture, "jpg", f"a fox {i}", meta) for i, meta in enumerate(scores)), per_shard=20)
    return folder


@pytest.mark.parametrize(("threads", "cache"), [(0, False), (2, True)])
def test_rows_carry_the_values_of_their_own_samples(tmp_path: Path, threads: int, cache: bool) -> None:
    config = DataConfig(shards=str(write(tmp_path)), threads=threads, cache=cache)
    with Loader(config, 6, LoaderSizes(16), 0, columns=("aesthetic_score",)) as loader:
        for batch in (next(loader) for _ in range(4)):
            numbers = [int(caption.split()[-1]) for caption in batch.captions]
            expected = [math.nan if i % 3 == 2 else max(1.0, i / 2) for i in numbers]
            assert batch.columns["aesthetic_score"].tolist() == pytest.approx(expected, nan_ok=True)


def test_a_row_without_a_value_hides_the_property() -> None:
    rows = 6
    values = torch.tensor([5.0, math.nan] * 3)
    never = LossConfig(drop_text=0.0, drop_property=0.0, drop_properties=0.0, drop_all=0.0)
    names, columns = ("brightness", "aesthetic_score"), {"aesthetic_score": values}
    images, tokens = torch.full((rows, 3, 4, 4), 0.5), torch.ones(rows, 1, dtype=torch.int64)
    condition = draw_condition(tokens, images, never, names, Draws.seeded(range(rows)), columns)
    assert condition.has_value_BP.tolist() == [[True, True], [True, False]] * 3
    assert condition.values_BP[0].tolist() == [0.5, 5.0]


def test_a_run_learns_from_a_column_and_can_be_asked_for_it(tmp_path: Path) -> None:
    config = tiny_run(write(tmp_path / "in"), steps=2)
    model = replace(config.model, properties=("brightness", "aesthetic_score"))
    quick = replace(config.train, trackers=(), heldout_every=1, heldout_share=1.0)
    train(replace(config, model=model, train=quick), tmp_path / "run")
    quantiles = json.loads((tmp_path / "run" / "properties.json").read_text())["aesthetic_score"]["quantiles"]
    assert quantiles[0] == 1.0 and quantiles[-1] == pytest.approx(5.0, abs=0.3)
    pipeline = Pipeline.load(tmp_path / "run")
    assert pipeline.paint("a fox", steps=2, properties={"aesthetic_score": "p90", "brightness": 0.5}).shape[0] == 1
