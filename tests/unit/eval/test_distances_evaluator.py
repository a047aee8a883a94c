"""Distances to anyone's own pictures, crops at the same places, and the sweep over guidance."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from colour_painter import Painter, make_extractor, random_picture
from majolica.data.pictures.encode import encode
from majolica.data.store.pack import write_shards
from majolica.data.store.record import Record
from majolica.errors import UserError
from majolica.eval.brush import Brush
from majolica.eval.distances.chunks import ChunkPainter
from majolica.eval.distances.describe import own_extractor
from majolica.eval.distances.measures import DistanceSettings, describe_extractor
from majolica.eval.distances.patches import cut_crops, draw_corners, measure_patches
from majolica.eval.distances.real_pictures import describe_source
from majolica.eval.evaluators.distances import OwnDistances
from majolica.eval.evaluators.guidance import GuidanceSweep
from majolica.eval.painting_cost import painting_cost
from majolica.eval.protocol import EvalData, Figure, Split, Table
from majolica.metrics.frechet import frechet_distance
from majolica.metrics.moments import Moments
from majolica.metrics.statistics import save_statistics

QUICK = DistanceSettings(kid_subsets=5, directions=20)
COUNT = 12


@pytest.fixture
def world() -> EvalData:
    """Pictures that the painter would paint from the same captions with seed 0 and guidance 2, 8 px and 16 px large."""

    def split(side: int, limit: int = COUNT) -> Split:
        captions = [f"picture {i}" for i in range(limit)]
        images = torch.stack([random_picture(f"{caption}|{i}|2.0", side) for i, caption in enumerate(captions)])
        return Split(images, captions, [{}] * limit)

    nothing = Split(torch.zeros(0, 3, 8, 8, dtype=torch.uint8), (), ())
    return EvalData((), split(8), nothing, lambda side, limit: EvalData((), split(side, limit), nothing))


@pytest.fixture
def evaluator() -> OwnDistances:
    return OwnDistances(make_extractor(), "w" * 64, 8, 16, settings=QUICK, crops_of=6)


def test_a_perfect_painter_is_at_distance_0(evaluator: OwnDistances, world: EvalData) -> None:
    result = evaluator(Painter(), world)
    assert result.metrics["fd_corners"] == pytest.approx(0, abs=1e-9)
    assert result.metrics["patch_fd_corners"] == pytest.approx(0, abs=1e-9)
    assert result.metrics["fd_corners_real_halves"] > 1e-4
    assert result.metrics["patch_fd_real_halves_corners"] > 1e-4
    assert not any("fid" in name for name in result.metrics)
    assert "No number here is FID" in result.note
    other = replace(evaluator, brush=replace(evaluator.brush, seed=7))(Painter(), world)
    assert other.metrics["fd_corners"] > 1e-4
    assert other.metrics["patch_fd_corners"] > 1e-4


def test_the_columns_beside_are_of_equally_many(evaluator: OwnDistances, world: EvalData) -> None:
    result = evaluator(Painter(), world)
    real_BD = make_extractor().describe(world.heldout.images_B3HW)
    assert result.metrics["fd_corners_real_halves"] == pytest.approx(frechet_distance(real_BD[::2], real_BD[1::2]))
    expected = frechet_distance(real_BD[::2], real_BD[::2])  # the painted ones are thinned to every other one
    assert result.metrics["fd_corners_equal_counts"] == pytest.approx(expected, abs=1e-9)
    [table] = [part for part in result.parts if isinstance(part, Table)]
    assert len(table.header) == len(table.rows[0]) == 6


def test_the_work_is_counted(evaluator: OwnDistances, world: EvalData) -> None:
    painter = Painter()
    evaluator(painter, world)
    assert painter.painted == COUNT + 6
    assert (
        evaluator.count_paintings(world)
        == COUNT + 6 * painting_cost(evaluator.largest, evaluator.resolution)
        < COUNT + 8
    )
    assert evaluator.explain_lack(world) == ""
    assert "needs two held-out" in evaluator.explain_lack(replace(world, heldout=world.combinations))


def test_without_larger_pictures_no_crops_are_compared(evaluator: OwnDistances, world: EvalData) -> None:
    result = evaluator(Painter(), replace(world, larger=lambda side, limit: None))
    assert "patch_fd_corners" not in result.metrics
    assert "crop_size" not in result.protocol


def test_the_model_can_measure_itself(evaluator: OwnDistances, world: EvalData) -> None:
    own = replace(evaluator, extractor=own_extractor)
    result = own(Painter(), world)
    assert result.metrics["fd_perception"] == pytest.approx(0, abs=1e-9)
    assert set(result.self_judged) == set(result.metrics)
    assert "The model measures itself" in result.note
    assert not own_extractor(Painter()).canonical
    assert own_extractor(Painter()).width == 3


def records(world: EvalData) -> list[Record]:
    pictures = [Image.fromarray(image.permute(1, 2, 0).numpy()) for image in world.heldout.images_B3HW]
    pairs = zip(pictures, world.heldout.captions, strict=True)
    return [Record(encode(picture, "png", 100), "png", caption, {}) for picture, caption in pairs]


def write_source(folder: Path, kind: str, world: EvalData) -> Path:
    folder.mkdir()
    found = records(world)
    if kind == "shards":
        write_shards(folder, found)
        return folder
    for i, record in enumerate(found):
        (folder / f"{i:02d}.png").write_bytes(record.image)
        (folder / f"{i:02d}.txt").write_text(record.caption)
    if kind == "table":
        lines = [f"{i:02d}.png,{record.caption}" for i, record in enumerate(found)]
        (folder / "table.csv").write_text("\n".join(["path,caption", *lines]))
        return folder / "table.csv"
    return folder


@pytest.mark.parametrize("kind", ["shards", "folder", "table"])
def test_given_pictures_are_compared(evaluator: OwnDistances, world: EvalData, tmp_path: Path, kind: str) -> None:
    source = write_source(tmp_path / "given", kind, world)
    other = replace(world, heldout=world.combinations)
    assert replace(evaluator, source=source).explain_lack(other) == ""
    result = replace(evaluator, source=source)(Painter(), other)
    assert result.metrics["fd_corners"] == pytest.approx(0, abs=1e-9)
    assert result.protocol["real"] == COUNT
    assert "patch_fd_corners" not in result.metrics


@pytest.mark.parametrize("kind", ["shards", "folder", "table"])
def test_of_many_pictures_some_are_taken_that_are_spread_evenly(kind: str, world: EvalData, tmp_path: Path) -> None:
    source = write_source(tmp_path / "given", kind, world)
    every = describe_source(source, make_extractor(), 8).captions
    some = describe_source(source, make_extractor(), 8, limit=4).captions
    assert some == [every[i * COUNT // 4] for i in range(4)]


def test_unusable_pictures_are_left_out(world: EvalData, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = write_source(tmp_path / "given", "folder", world)
    (folder / "03.png").write_bytes(b"\x89PNG no more")
    (folder / "05.txt").unlink()
    (folder / "07.txt").write_text(" \n")
    found = describe_source(folder, make_extractor(), 8)
    assert len(found.features_BD) == len(found.captions) == COUNT - 3
    assert "picture 3" not in found.captions
    assert "03.png is left out" in caplog.text
    assert "05.png is left out" in caplog.text
    assert "1 picture of" in caplog.text
    for path in folder.glob("*.txt"):
        path.unlink()
    with pytest.raises(UserError, match="has 0 usable pictures with captions"):
        describe_source(folder, make_extractor(), 8)


def test_statistics_are_compared_and_their_extractor_is_checked(
    evaluator: OwnDistances, world: EvalData, tmp_path: Path
) -> None:
    moments = Moments.of(make_extractor().describe(world.heldout.images_B3HW))
    path = tmp_path / "real.npz"
    save_statistics(path, moments, describe_extractor(make_extractor()))
    given = replace(evaluator, source=path)
    result = given(Painter(), world)
    assert result.metrics["fd_corners"] == pytest.approx(0, abs=1e-9)
    assert not any(name.startswith(("kid", "mind", "precision")) for name in result.metrics)
    with pytest.raises(UserError, match=r"made with another extractor \(extractor_weights_sha256 aaaa"):
        replace(given, extractor=make_extractor(sha="b" * 64))(Painter(), world)


def test_crops_are_cut_at_the_same_places() -> None:
    corners = draw_corners(5, 20, 30, 8, seed=3)
    assert corners.shape == (5, 4, 2)
    assert corners[..., 0].max() <= 12
    assert corners[..., 1].max() <= 22
    assert corners[..., 1].max() > 12
    rows = torch.arange(20)[:, None].expand(20, 30)
    places_B3HW = torch.stack([rows, torch.arange(30).expand(20, 30), rows])[None].expand(5, -1, -1, -1)
    crops = cut_crops(places_B3HW.to(torch.uint8), corners, 8)
    assert crops[:, :2, 0, 0].tolist() == corners.reshape(-1, 2).tolist()
    assert draw_corners(5, 20, 30, 8, seed=3).tolist() == corners.tolist()
    with pytest.raises(ValueError, match="crops of 21 px do not fit"):
        draw_corners(1, 20, 30, 21)


def test_equal_pictures_have_no_patch_distance() -> None:
    images = torch.stack([random_picture(str(i), 16) for i in range(6)])
    assert measure_patches(images, images, make_extractor(), 8)["patch_fd"] == pytest.approx(0, abs=1e-9)
    assert measure_patches(images, images.flip(3), make_extractor(), 8)["patch_fd"] > 1e-5
    with pytest.raises(ValueError, match="cannot be paired"):
        measure_patches(images, images[:5], make_extractor(), 8)


def test_the_sweep_finds_the_guidance_of_the_real_pictures(world: EvalData, tmp_path: Path) -> None:
    sweep = GuidanceSweep(make_extractor(), "w" * 64, 8, cache=tmp_path)
    painter = Painter()
    result = sweep(painter, world)
    assert painter.painted == sweep.count_paintings(world) == 6 * COUNT
    assert result.metrics["guidance_2_fd_corners"] == pytest.approx(0, abs=1e-9)
    assert result.metrics["guidance_1.5_fd_corners"] > 1e-4
    assert "smallest at a guidance of 2." in result.note
    low, high = result.intervals["guidance_4_image_text"]
    assert low < result.metrics["guidance_4_image_text"] < high
    [figure] = [part for part in result.parts if isinstance(part, Figure)]
    assert figure.html.count("<svg") == 2
    [table] = [part for part in result.parts if isinstance(part, Table)]
    assert [row[0] for row in table.rows] == ["1", "1.5", "2", "3", "4", "6"]
    assert "guidance" not in result.protocol
    idle = Painter(patience=0)
    assert sweep(idle, world).metrics == result.metrics


def test_a_chunk_painter_names_all_on_which_its_pictures_depend() -> None:
    facts = ChunkPainter(["a"], make_extractor(), Brush(), "", 8, 8).facts()
    assert {"steps", "guidance", "seed", "solver", "painted_size", "painted_resize", "majolica"} <= set(facts)
