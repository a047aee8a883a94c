"""Memorisation: painters that return training pictures are found, and painters that return unseen ones are not."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import simplejpeg
import torch
from scipy.stats import mannwhitneyu
from torch import Tensor
from torch.nn import functional as F

from majolica.config.data import DataConfig, SourceConfig
from majolica.config.run import RunConfig
from majolica.data.loading.split import load_split
from majolica.data.store.pack import write_shards
from majolica.data.store.record import Record
from majolica.errors import UserError
from majolica.eval.evaluators.memorisation import Memorisation
from majolica.eval.memorisation.copying import median_ratio, probability_nearer, share_nearer
from majolica.eval.memorisation.neighbours import find_nearest, thumbnails
from majolica.eval.paintings import Paintings
from majolica.eval.protocol import EvalData, Split
from majolica.eval.training_pictures import TrainingPictures, join_splits
from majolica.sampling.request import PaintRequest
from tiny import TINY

SIDE = TINY.resolution


def write(folder: Path, count: int, seed: int) -> Path:
    """Write smooth random pictures, which nothing but chance brings near to each other."""
    rng = np.random.default_rng(seed)

    def records() -> Any:
        for i in range(count):
            waves = torch.from_numpy(rng.random((1, 3, 4, 4))).float()
            picture = F.interpolate(waves, (SIDE, SIDE), mode="bilinear")[0].permute(1, 2, 0)
            jpeg = simplejpeg.encode_jpeg(np.ascontiguousarray((picture * 255).byte().numpy()), quality=95)
            yield Record(jpeg, "jpg", f"picture {i} of {seed}", {"names": [f"name {i}"]})

    write_shards(folder, records(), per_shard=100)
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("pictures")
    write(home / "train", 240, 1)
    write(home / "heldout", 200, 2)
    return home


def config_of(home: Path, flip: bool = True) -> RunConfig:
    return RunConfig(model=TINY, data=DataConfig(shards=str(home / "train"), flip=flip))


def data_of(home: Path) -> EvalData:
    split = Split(*load_split(home / "heldout", None, SIDE))
    return EvalData((), split, Split(torch.zeros(0, 3, SIDE, SIDE).byte(), (), ()))


class Painter:
    """Paints the pictures that it is given, whatever the prompts; it sees differences of pixels."""

    def __init__(self, images_B3HW: Tensor) -> None:
        self.images_B3HW = images_B3HW

    def paint_request(self, request: PaintRequest) -> Tensor:
        return self.images_B3HW[: len(list(request.prompts))]

    def embed_images(self, images_B3HW: Tensor) -> Tensor:
        return F.normalize(F.adaptive_avg_pool2d(images_B3HW.float() - 127, 4).flatten(1), dim=-1)


def measure(home: Path, images_B3HW: Tensor, flip: bool = True, **settings: Any) -> Any:
    painter: Any = Painter(images_B3HW)
    memorisation = Memorisation(config_of(home, flip), Paintings(len(images_B3HW)), **settings)
    return memorisation(painter, data_of(home))


def training(home: Path, count: int) -> Tensor:
    return load_split(home / "train", count, SIDE, spread=True)[0]


def test_a_painter_of_training_pictures_is_found(home: Path) -> None:
    result = measure(home, training(home, 60))
    assert result.metrics["memorised_share"] == 1 and result.intervals["memorised_share"][0] > 0.9
    assert result.metrics["nearest_pixels"] == result.metrics["nearest_features"] == 0
    assert result.metrics["nearer_pixels"] == result.metrics["nearer_features"] == 1
    assert result.metrics["memorisation_training_pictures"] == 240


def test_a_painter_of_unseen_pictures_is_not(home: Path) -> None:
    result = measure(home, data_of(home).heldout.images_B3HW)
    assert result.metrics["memorised_share"] == result.metrics["memorised_share_real"] <= 0.01
    for space in ("pixels", "features"):
        assert result.metrics[f"nearer_{space}"] == pytest.approx(0.5)
        assert result.metrics[f"nearest_{space}_ratio"] == pytest.approx(1)
        low, high = result.intervals[f"nearest_{space}_ratio"]
        assert low < 1 < high
    fresh = load_split(write(home / "fresh", 200, 3), None, SIDE)[0]
    other = measure(home, fresh)
    assert other.metrics["memorised_share"] <= 0.02
    low, high = other.intervals["nearer_pixels"]
    assert low < 0.5 < high


def test_mirrored_training_pictures_are_found_if_training_mirrors(home: Path) -> None:
    mirrored = training(home, 60).flip(3)
    found = measure(home, mirrored)
    assert found.metrics["memorised_share"] == 1 and "mirrored" in found.parts[1].html
    assert measure(home, mirrored, flip=False).metrics["memorised_share"] <= 0.05


def test_nearly_equal_pictures_are_found_beside_others(home: Path) -> None:
    """A fifth of the painted pictures are training pictures with some noise."""
    copies = (training(home, 20).float() + 4 * torch.randn(20, 3, SIDE, SIDE)).clamp(0, 255).byte()
    fresh = load_split(home / "heldout", 80, SIDE)[0]
    result = measure(home, torch.cat((copies, fresh)), pairs=3)
    assert result.metrics["memorised_share"] == pytest.approx(0.2, abs=0.011)
    assert result.parts[1].html.count(">memorised: ") == 3 and "picture 19 of 2" not in result.parts[1].html


def test_held_out_pictures_that_are_in_the_training_data_do_not_spoil_the_threshold(home: Path) -> None:
    painter: Any = Painter(training(home, 30))
    leaked = data_of(home)
    images_B3HW = leaked.heldout.images_B3HW.clone()
    images_B3HW[:10] = training(home, 10)
    data = dataclasses.replace(leaked, heldout=dataclasses.replace(leaked.heldout, images_B3HW=images_B3HW))
    result = Memorisation(config_of(home), Paintings(30))(painter, data)
    assert result.metrics["heldout_in_training"] == pytest.approx(10 / 200)
    assert result.metrics["memorised_share"] == 1
    assert "5.0% of the held-out pictures are in the training data themselves, and were left out." in result.note


def test_held_out_pictures_that_all_are_training_pictures_are_no_measure(home: Path) -> None:
    painter: Any = Painter(training(home, 8))
    seen = Split(training(home, 20), [f"picture {i}" for i in range(20)], [{}] * 20)
    result = Memorisation(config_of(home), Paintings(8))(painter, dataclasses.replace(data_of(home), heldout=seen))
    assert result.metrics["heldout_in_training"] == 1 and "so that nothing can be compared." in result.note


def test_the_protocol_says_what_was_compared(home: Path) -> None:
    one, same = (measure(home, training(home, 8), most=100).protocol for _ in range(2))
    assert one == same and one["training_pictures"] == 100 and one["training_total"] == 240
    assert one["painted"] == 8 and one["seed"] == 0 and one["data_sha256"] == data_of(home).sha256


def test_without_unseen_pictures_it_says_what_is_missing(home: Path) -> None:
    nothing = Split(torch.zeros(0, 3, SIDE, SIDE).byte(), (), ())
    memorisation = Memorisation(config_of(home), Paintings(4))
    assert "no held-out pictures" in memorisation.explain_lack(EvalData((), nothing, nothing))
    assert "trained on" in memorisation.explain_lack(dataclasses.replace(data_of(home), trained_on=True))
    assert memorisation.explain_lack(data_of(home)) == "" and memorisation.count_paintings(data_of(home)) == 4
    with pytest.raises(UserError, match="no held-out captions"):
        memorisation(Painter(nothing.images_B3HW), EvalData((), nothing, nothing))  # type: ignore[arg-type]


def test_neighbours_are_those_of_all_pairs() -> None:
    generator = torch.Generator().manual_seed(0)
    pictures, library = (torch.randint(0, 256, (n, 3, 8, 8), generator=generator).byte() for n in (7, 50))
    found, count = find_nearest(pictures, torch.split(library, 9), {"pixels": thumbnails}, mirror=True)
    both = torch.cat((library, library.flip(3))).flatten(1).double() / 255
    distance = (pictures.flatten(1).double()[:, None] / 255 - both).square().mean(2).sqrt()
    assert count == 50
    nearest = found["pixels"]
    assert torch.allclose(nearest.distance_Q.double(), distance.min(1).values, atol=1e-6)
    rows = distance.argmin(1)
    assert torch.equal(nearest.images_Q3HW, library[rows % 50]) and nearest.mirrored_Q.tolist() == (rows >= 50).tolist()


def test_thumbnails_of_larger_pictures_keep_their_scale() -> None:
    black, white = torch.zeros(1, 3, 96, 64).byte(), torch.full((1, 3, 96, 64), 255).byte()
    assert float((thumbnails(black) - thumbnails(white)).norm()) == pytest.approx(1, abs=1e-5)
    assert thumbnails(black).shape == (1, 3 * 32 * 32)


def test_the_probability_is_the_statistic_of_mann_and_whitney() -> None:
    generator = torch.Generator().manual_seed(1)
    first = torch.randint(0, 20, (40,), generator=generator).float()  # many ties
    second = torch.randint(3, 23, (60,), generator=generator).float()
    chance, low, high = probability_nearer(first, second)
    assert chance == pytest.approx(mannwhitneyu(second, first).statistic / (40 * 60))
    assert low < chance < high
    assert probability_nearer(first, first)[0] == pytest.approx(0.5)


def test_the_interval_of_the_probability_covers_it_in_95_of_100_cases() -> None:
    generator = torch.Generator().manual_seed(2)
    covered = 0
    for _ in range(400):
        first, second = torch.randn(40, generator=generator), torch.randn(60, generator=generator)
        _, low, high = probability_nearer(first, second)
        covered += low <= 0.5 <= high
    assert 0.92 <= covered / 400 <= 0.98


def test_shares_count_equal_distances() -> None:
    real = torch.tensor([1.0, 2.0, 2.0, 4.0])
    assert share_nearer(torch.tensor([0.5, 1.0, 2.0, 9.0]), real).tolist() == [0, 0.25, 0.75, 1]
    ratio, low, high = median_ratio(torch.full((9,), 3.0), torch.full((9,), 2.0))
    assert ratio == low == high == 1.5
    with pytest.raises(ValueError, match="real distances"):
        share_nearer(real, real[:0])


def test_a_ratio_to_nothing_is_no_error() -> None:
    assert median_ratio(torch.ones(3), torch.zeros(3))[0] == math.inf
    assert math.isnan(median_ratio(torch.zeros(3), torch.zeros(3))[0])


def test_training_pictures_are_those_of_all_sources_evenly_spaced(home: Path) -> None:
    sources = (SourceConfig(str(home / "train")), SourceConfig(str(home / "heldout")))
    config = RunConfig(model=TINY, data=DataConfig(sources=sources))
    with TrainingPictures(config) as both:
        parts = list(both.read(44, chunk=10))
    assert [len(part) for part in parts] == [10, 10, 10, 10, 4]
    found = join_splits(parts)
    assert list(found.captions) == [
        f"picture {10 * i} of {source}" for source, n in ((1, 24), (2, 20)) for i in range(n)
    ]
    assert torch.equal(found.images_B3HW[24:], load_split(home / "heldout", 20, SIDE, spread=True)[0])
    assert found.metas[30]["names"] == ["name 60"]
