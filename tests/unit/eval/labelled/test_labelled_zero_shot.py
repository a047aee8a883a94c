"""Zero-shot classification of labelled pictures by a model whose answers are known, and its numbers against scipy's
and numpy's."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from levels import NAMES, flat
from majolica.errors import UserError
from majolica.eval.evaluators.labelled_zero_shot import LabelledZeroShot
from majolica.eval.labelled.class_list import list_classes
from majolica.eval.labelled.clip_benchmark import BenchmarkedModel, benchmark_result
from majolica.eval.labelled.confusions import confusion_parts
from majolica.eval.labelled.pictures import LabelledPictures
from majolica.eval.labelled.scores import (
    class_recalls,
    confusion_counts,
    mean_recall,
    mean_recall_interval,
    measure_reliability,
    share_among,
)
from majolica.eval.labelled.source import open_labelled
from majolica.eval.protocol import EvalData, Figure, Table
from majolica.text.template_sets import TemplateSet, find_templates

CLASSES = list_classes(NAMES)


@pytest.fixture
def pictures(class_folders: Path) -> LabelledPictures:
    for i in range(4, 8):  # foxes are twice as many as other things
        (class_folders / "fox" / f"{i}.png").write_bytes(flat(4, mark=i))
    return open_labelled(class_folders, CLASSES, 8)


def test_a_perfect_model_and_one_that_takes_foxes_for_owls(
    seer: Any, pictures: LabelledPictures, nothing: EvalData
) -> None:
    perfect = LabelledZeroShot(pictures, batch=5)(seer(), nothing)
    assert perfect.metrics["labelled_top1"] == perfect.metrics["labelled_mean_per_class_recall"] == 1
    result = LabelledZeroShot(pictures)(seer({4: 5}), nothing)
    assert result.metrics["labelled_top1"] == pytest.approx(24 / 32)
    assert result.metrics["labelled_mean_per_class_recall"] == pytest.approx(6 / 7)
    # Classes that are equally similar are ranked by their order, so that foxes come fifth behind owls.
    assert result.metrics["labelled_top5"] == pytest.approx(24 / 32)
    sure = float(torch.tensor([3.0] + [0.0] * 6).softmax(0)[0])
    assert result.metrics["labelled_calibration_error"] == pytest.approx(abs(24 / 32 - sure), abs=1e-6)
    low, high = result.intervals["labelled_top1"]
    assert low < 24 / 32 < high
    hardest = next(part for part in result.parts if isinstance(part, Table))
    assert hardest.rows == [["fox", "0%", "0 of 8", "owl 8"]]
    assert [part.title for part in result.parts if isinstance(part, Figure)] == ["Reliability", "Confusions"]


def test_the_protocol_says_what_was_measured(seer: Any, pictures: LabelledPictures, nothing: EvalData) -> None:
    imagenet = find_templates("imagenet")
    first = LabelledZeroShot(pictures, imagenet)(seer(), nothing).protocol
    assert {
        "pictures": 32,
        "classes": 7,
        "templates": "imagenet",
        "templates_used": 80,
        "fit": "crop",
    }.items() <= first.items()
    assert LabelledZeroShot(pictures, imagenet, batch=3)(seer({4: 5}), nothing).protocol == first
    json.dumps(first)
    fewer = LabelledZeroShot(pictures, imagenet)(seer(kept=3), nothing).protocol
    assert fewer["templates_used"] == 3 and fewer["templates_sha256"] != first["templates_sha256"]
    other = LabelledZeroShot(pictures.part(range(31)))(seer(), nothing).protocol
    assert other["pictures_sha256"] != first["pictures_sha256"]
    assert other["templates_sha256"] != first["templates_sha256"]


def test_broken_pictures_and_empty_classes_are_in_the_note(seer: Any, class_folders: Path, nothing: EvalData) -> None:
    (class_folders / "fox" / "0.png").write_bytes(b"no picture")
    pictures = open_labelled(class_folders, list_classes([*NAMES, "red apple tree"]), 8)
    told: list[tuple[int, int]] = []
    result = LabelledZeroShot(pictures, batch=10, progress=lambda done, total: told.append((done, total)))(
        seer(), nothing
    )
    assert result.metrics["labelled_pictures"] == 27
    assert "1 picture is left out: fox/0.png (picture cannot be decoded" in result.note
    assert "1 class without pictures" in result.note
    assert told == [(10, 28), (20, 28), (28, 28)]


def test_one_class_is_refused(tmp_path: Path, nothing: EvalData) -> None:
    (tmp_path / "fox").mkdir()
    (tmp_path / "fox" / "a.png").write_bytes(flat(4))
    evaluator = LabelledZeroShot(open_labelled(tmp_path, None, 8))
    assert evaluator.explain_lack(nothing).endswith("have one class only, 'fox', so that any answer is right.")


def test_few_classes_have_no_top5(tmp_path: Path, seer: Any, nothing: EvalData) -> None:
    for k in range(3):
        (tmp_path / NAMES[k]).mkdir()
        (tmp_path / NAMES[k] / "a.png").write_bytes(flat(k))
    result = LabelledZeroShot(open_labelled(tmp_path, None, 8))(seer(), nothing)
    assert "labelled_top5" not in result.metrics
    written = benchmark_result(result.metrics, "zeroshot_classification", "mine", "demo", "runs/demo")
    assert written["metrics"] == {"acc1": 1.0, "acc5": None, "mean_per_class_recall": 1.0}


def test_the_file_of_clip_benchmark(seer: Any, pictures: LabelledPictures, nothing: EvalData) -> None:
    evaluator = LabelledZeroShot(pictures, model=BenchmarkedModel("majolica", "step 100"))
    [(name, content)] = evaluator(seer({4: 5}), nothing).files.items()
    assert name == f"clip_benchmark-{Path(pictures.source).name}.json"
    assert json.loads(content) == {
        "dataset": Path(pictures.source).name,
        "model": "majolica",
        "pretrained": "step 100",
        "task": "zeroshot_classification",
        "metrics": {"acc1": 0.75, "acc5": 0.75, "mean_per_class_recall": pytest.approx(6 / 7)},
        "language": "en",
        "source": str(pictures.source),
    }


def random_answers(count: int = 500, classes: int = 9) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(0)
    labels = rng.integers(classes - 1, size=count)  # the last class has no pictures
    answers = np.where(rng.random(count) < 0.6, labels, rng.integers(classes, size=count))
    return torch.from_numpy(answers), torch.from_numpy(labels)


def test_recall_and_confusions_against_loops() -> None:
    answers_N, labels_N = random_answers()
    recalls = [float((answers_N[labels_N == k] == k).double().mean()) for k in range(8)]
    assert class_recalls(answers_N, labels_N, 9)[:8].tolist() == pytest.approx(recalls)
    assert class_recalls(answers_N, labels_N, 9)[8].isnan()
    assert mean_recall(answers_N, labels_N, 9) == pytest.approx(np.mean(recalls))
    counts = np.zeros((9, 9), int)
    np.add.at(counts, (labels_N.numpy(), answers_N.numpy()), 1)
    assert confusion_counts(answers_N, labels_N, 9).tolist() == counts.tolist()


def test_the_interval_of_recall_covers_it_about_as_often_as_it_says() -> None:
    """Of 200 drawn sets, the share of intervals that hold the true mean recall of 0.6 + 0.4 / 9."""
    rng, truth, held = np.random.default_rng(1), 0.6 + 0.4 / 9, 0
    for seed in range(200):
        labels = rng.integers(9, size=300)
        answers = np.where(rng.random(300) < 0.6, labels, rng.integers(9, size=300))
        low, high = mean_recall_interval(torch.from_numpy(answers), torch.from_numpy(labels), 9, 200, seed)
        held += low <= truth <= high
    assert 0.90 <= held / 200 <= 0.98


def test_top_k_counts_the_first_k() -> None:
    ranked_NR = torch.tensor([[0, 1, 2], [1, 0, 2], [2, 1, 0]])
    labels_N = torch.tensor([0, 0, 0])
    assert [share_among(ranked_NR, labels_N, k) for k in (1, 2, 3)] == pytest.approx([1 / 3, 2 / 3, 1])


def test_calibration_error_by_hand_and_by_a_loop() -> None:
    # Bins of fifteenths: 0.9 lies in (13/15, 14/15], 1/15 in the first, whose upper end it is, and 1 in the last.
    confidence_N = torch.tensor([0.9, 0.9, 1 / 15, 1.0], dtype=torch.float64)
    right_N = torch.tensor([True, False, False, True])
    found = measure_reliability(confidence_N, right_N)
    assert found.count_M.nonzero()[:, 0].tolist() == [0, 13, 14]
    assert found.error == pytest.approx(0.5 * 0.4 + 0.25 / 15)
    rng = np.random.default_rng(2)
    confidence, right = rng.random(1000), rng.random(1000) < 0.5
    error = 0.0
    for m in range(15):
        inside = (confidence > m / 15) & (confidence <= (m + 1) / 15)
        error += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    assert measure_reliability(torch.from_numpy(confidence), torch.from_numpy(right)).error == pytest.approx(error)


def test_many_classes_have_a_table_of_confusions() -> None:
    counts = torch.eye(70, dtype=torch.int64) * 5
    counts[3, 4], counts[69, 0] = 7, 2
    (table,) = confusion_parts(counts, [f"class {k}" for k in range(70)])
    assert isinstance(table, Table)
    assert table.rows == [["class 3", "class 4", "7 of 12"], ["class 69", "class 0", "2 of 7"]]


def test_templates_of_a_user_reach_the_model(seer: Any, pictures: LabelledPictures, nothing: EvalData) -> None:
    asked: list[Any] = []

    class Listener(seer):  # type: ignore[misc]
        def embed_labels(self, labels: Any, templates: Any = None) -> torch.Tensor:
            asked.append((labels, templates))
            return super().embed_labels(labels, templates)

    LabelledZeroShot(pictures, TemplateSet("mine", ("{label}!",)))(Listener(), nothing)
    assert asked == [(NAMES, ("{label}!",))]


def test_a_set_of_which_nothing_can_be_read_is_an_error(
    seer: Any, pictures: LabelledPictures, nothing: EvalData
) -> None:
    broken = replace(pictures, load=lambda some: (b"" for _ in some))
    with pytest.raises(UserError, match="no picture in"):
        LabelledZeroShot(broken)(seer(), nothing)
