"""The evaluator of COCO: what is kept and used again, what goes on after an interruption, and what is called FID."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from majolica.data.pictures.decode import decode
from majolica.errors import UserError
from majolica.eval.brush import Brush
from majolica.eval.coco import references
from majolica.eval.coco.plan import CocoPlan, plan_coco
from majolica.eval.coco.prompts import read_ids
from majolica.eval.coco.references import load_or_describe, read_squares, reference_folder
from majolica.eval.evaluators.coco import CocoDistance
from majolica.eval.protocol import EvalData, Figure
from majolica.features.resize import prepare_reference
from majolica.metrics.frechet import frechet_distance
from majolica.metrics.moments import Moments
from majolica.metrics.statistics import load_statistics

Make = Callable[..., Any]


@pytest.fixture
def plan(coco: Path) -> CocoPlan:
    return plan_coco(coco, subset=10)


@pytest.fixture
def evaluator(plan: CocoPlan, extractor: Make, tmp_path: Path) -> CocoDistance:
    kept = {"references": tmp_path / "references", "cache": tmp_path / "painted"}
    return CocoDistance(plan, extractor(), "w" * 64, 8, **kept, chunk=4)


def test_references_are_prepared_as_the_protocol_says(plan: CocoPlan, extractor: Make, tmp_path: Path) -> None:
    found = load_or_describe(plan.coco, plan.references, extractor(), tmp_path)
    files = [plan.coco.path_of(picture).read_bytes() for picture in plan.references]
    squares = torch.stack([prepare_reference(decode(file).image, 256) for file in files])
    assert squares.shape == (10, 3, 256, 256)
    assert torch.equal(found.features_BD, extractor().describe(squares))
    assert found.moments.count == 10
    assert found.record["reference_side"] == 256


def test_references_are_read_once(
    plan: CocoPlan, extractor: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[int, int]] = []
    first = load_or_describe(plan.coco, plan.references, extractor(), tmp_path, progress=lambda *n: told.append(n))
    assert told == [(10, 10)]
    monkeypatch.setattr(references, "decode", lambda data: pytest.fail("a picture was read again"))
    second = load_or_describe(plan.coco, plan.references, extractor(), tmp_path)
    assert torch.equal(first.features_BD, second.features_BD)
    assert torch.allclose(first.moments.scatter_DD, second.moments.scatter_DD)


@pytest.mark.parametrize("change", ["weights", "name", "side", "pictures", "file"])
def test_references_of_something_else_are_not_used(
    plan: CocoPlan, extractor: Make, tmp_path: Path, change: str
) -> None:
    load_or_describe(plan.coco, plan.references, extractor(), tmp_path)
    other = extractor("other") if change == "name" else extractor(sha=("b" if change == "weights" else "a") * 64)
    pictures = plan.references[1:] if change == "pictures" else plan.references
    if change == "file":
        Image.new("RGB", (40, 30), "red").save(plan.coco.path_of(pictures[0]))
    told: list[int] = []
    side = 128 if change == "side" else 256
    load_or_describe(plan.coco, pictures, other, tmp_path, side, lambda done, total: told.append(done))
    assert told[-1] == len(pictures)
    assert len(list(tmp_path.glob("*.npz"))) == len(list(tmp_path.glob("*.safetensors"))) == 2


def test_damaged_references_are_made_anew(plan: CocoPlan, extractor: Make, tmp_path: Path) -> None:
    first = load_or_describe(plan.coco, plan.references, extractor(), tmp_path)
    for path in [*tmp_path.glob("*.npz"), *tmp_path.glob("*.safetensors")]:
        path.write_bytes(path.read_bytes()[:100])
    again = load_or_describe(plan.coco, plan.references, extractor(), tmp_path)
    assert torch.equal(first.features_BD, again.features_BD)
    [statistics] = tmp_path.glob("*.npz")
    assert load_statistics(statistics).moments.count == 10


def test_all_broken_files_are_named(plan: CocoPlan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(references, "BATCH", 3)
    for picture in (plan.references[4], plan.references[9]):
        path = plan.coco.path_of(picture)
        path.write_bytes(path.read_bytes()[:200])
    batches = read_squares(plan.coco, plan.references, 32)
    assert len(next(batches)) == 3
    first, second = (plan.references[i].file for i in (4, 9))
    with pytest.raises(UserError, match=rf"2 pictures in .*val2014 cannot be read \({first}: .*; {second}: "):
        next(batches)


def test_grey_and_inked_and_turned_pictures_are_references_too(plan: CocoPlan) -> None:
    grey, inked, turned = (plan.coco.path_of(plan.references[i]) for i in range(3))
    Image.new("L", (40, 30), 90).save(grey)
    Image.new("CMYK", (40, 30), (0, 255, 255, 0)).save(inked)
    sideways = Image.new("RGB", (20, 40), "blue")
    sideways.paste("red", (0, 0, 20, 20))
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    sideways.save(turned, exif=exif, quality=100)
    squares = next(read_squares(plan.coco, plan.references[:3], 16)).long()
    assert (squares[0] - 90).abs().max() <= 1
    assert squares[1, 0].min() > 150
    assert squares[1, 1:].max() < 90
    assert squares[2, 2, 0].min() > 200
    assert squares[2, 0, -1].min() > 200


def test_the_distance_is_that_of_the_features(evaluator: CocoDistance, painter: Make, data: EvalData) -> None:
    result = replace(evaluator, results=evaluator.references)(painter(), data)
    plan, brush = evaluator.plan, evaluator.brush
    assert read_ids(evaluator.references / "coco-ids-10.json", plan.coco).captions == plan.prompts.captions
    painted_B3HW = brush.paint(painter(), plan.prompts.texts, 8)
    squares = torch.stack([prepare_reference(image.permute(1, 2, 0).numpy(), 256) for image in painted_B3HW])
    real = load_or_describe(plan.coco, plan.references, evaluator.extractor, evaluator.references)  # type: ignore[arg-type]
    expected = frechet_distance(real.features_BD, evaluator.extractor.describe(squares))  # type: ignore[union-attr]
    assert result.metrics["coco_fd_proxy"] == pytest.approx(expected, abs=1e-9)
    assert result.protocol["captions_sha256"] == plan.prompts.sha256
    assert result.protocol["extractor_weights_sha256"] == "a" * 64
    assert {"guidance", "steps", "solver", "seed", "painted_size", "reference_side"} <= set(result.protocol)
    [sheet] = [part for part in result.parts if isinstance(part, Figure)]
    assert sheet.html.count("<figure>") == 10
    assert plan.prompts.texts[9] in sheet.html


def test_chunks_do_not_change_the_pictures(evaluator: CocoDistance, painter: Make, data: EvalData) -> None:
    whole = replace(evaluator, chunk=100, cache=None)(painter(), data)
    assert evaluator(painter(), data).metrics == whole.metrics


def test_an_interrupted_evaluation_goes_on(evaluator: CocoDistance, painter: Make, data: EvalData) -> None:
    expected = replace(evaluator, cache=None)(painter(), data).metrics
    with pytest.raises(KeyboardInterrupt):
        evaluator(painter(patience=9), data)
    assert evaluator.count_paintings(data) == 2
    rest = painter()
    assert evaluator(rest, data).metrics == expected
    assert rest.painted == 2
    assert evaluator.count_paintings(data) == 0
    idle = painter(patience=0)
    again = evaluator(idle, data)
    assert again.metrics == expected
    assert sum(part.html.count("<figure>") for part in again.parts if isinstance(part, Figure)) == 10


def test_a_longer_list_goes_on_from_a_shorter_one(evaluator: CocoDistance, painter: Make, data: EvalData) -> None:
    evaluator(painter(), data)
    longer = replace(evaluator, plan=plan_coco(evaluator.plan.coco.folder, subset=12))
    rest = painter()
    longer(rest, data)
    assert rest.painted == 4  # the last chunk was not full


@pytest.mark.parametrize(
    "change",
    [
        {"weights": "v" * 64},
        {"brush": Brush(guidance=3)},
        {"brush": Brush(seed=1)},
        {"brush": Brush(steps=9)},
        {"size": 16},
    ],
    ids=["weights", "guidance", "seed", "steps", "size"],
)
def test_pictures_of_other_settings_are_painted_anew(
    evaluator: CocoDistance, painter: Make, data: EvalData, change: dict[str, Any]
) -> None:
    evaluator(painter(), data)
    anew = painter()
    replace(evaluator, **change)(anew, data)
    assert anew.painted == 10


def test_features_of_another_extractor_are_computed_anew(
    evaluator: CocoDistance, painter: Make, extractor: Make, data: EvalData
) -> None:
    evaluator(painter(), data)
    anew = painter()
    replace(evaluator, extractor=extractor(sha="b" * 64))(anew, data)
    assert anew.painted == 10


def test_a_damaged_chunk_is_painted_anew(evaluator: CocoDistance, painter: Make, data: EvalData) -> None:
    expected = evaluator(painter(), data).metrics
    assert evaluator.cache
    first = sorted(evaluator.cache.iterdir())[0]
    first.write_bytes(first.read_bytes()[:-7])
    anew = painter()
    assert evaluator(anew, data).metrics == expected
    assert anew.painted == 4


def test_a_proxy_is_never_called_fid(evaluator: CocoDistance, painter: Make, extractor: Make, data: EvalData) -> None:
    small = replace(evaluator, extractor=extractor("inception", canonical=True))(painter(), data)
    assert "10 captions of the published 30,000 are painted" in small.note
    other = replace(evaluator, plan=Published(**vars(evaluator.plan)))(painter(), data)
    for result in (small, other):
        assert "coco_fid" not in result.metrics
        assert "coco_fd_proxy" in result.metrics
        assert result.title == "Distance to COCO's pictures (a proxy, not FID)"
        assert "must not be called FID" in result.note
        cells = [cell for part in result.parts if hasattr(part, "rows") for row in part.rows for cell in row]
        assert "FID" not in cells
    assert "the features are not those of Inception" in other.note


def test_the_published_protocol_is_called_fid(
    evaluator: CocoDistance, painter: Make, extractor: Make, data: EvalData
) -> None:
    plan = Published(**vars(evaluator.plan))
    result = replace(evaluator, plan=plan, extractor=extractor("inception", canonical=True))(painter(), data)
    assert "coco_fid" in result.metrics
    assert "coco_fd_proxy" not in result.metrics
    assert result.title == "FID on COCO, 10 captions"
    assert "proxy" not in result.note


class Published(CocoPlan):
    """A plan that claims to be the published protocol, which needs 30,000 captions."""

    deviations: list[str] = []  # type: ignore[assignment]  # noqa: RUF012


def test_moments_of_references_are_those_of_their_features(plan: CocoPlan, extractor: Make, tmp_path: Path) -> None:
    found = load_or_describe(plan.coco, plan.references, extractor(), tmp_path)
    [path] = tmp_path.glob("*.npz")
    kept = load_statistics(path)
    assert torch.allclose(kept.moments.covariance_DD, Moments.of(found.features_BD).covariance_DD)
    assert kept.record == found.record


def test_references_lie_beside_coco_or_elsewhere(coco: Path, tmp_path: Path) -> None:
    assert reference_folder(coco, tmp_path) == coco / "majolica-references"
    assert not (coco / "majolica-references").exists()
    (coco / "majolica-references").touch()  # a file, so no folder can be made
    assert reference_folder(coco, tmp_path) == tmp_path
