"""The linear probe against what is known of its optimum, and nearest neighbours against a loop."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from scipy.optimize import minimize
from torch.nn import functional as F

from levels import NAMES, flat
from majolica.errors import UserError
from majolica.eval.evaluators.probe import Probes
from majolica.eval.labelled.class_list import list_classes
from majolica.eval.labelled.logistic import PENALTIES, TOLERANCE, Scaling, fit_probe, fit_regression
from majolica.eval.labelled.nearest import TEMPERATURE, vote_of_nearest
from majolica.eval.labelled.source import open_labelled
from majolica.eval.labelled.splitting import split_by_class
from majolica.eval.protocol import EvalData


def clouds(count: int = 120, classes: int = 4, size: int = 6, spread: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    labels_N = torch.arange(count) % classes
    centres_KD = torch.randn(classes, size, generator=generator)
    return centres_KD[labels_N] + spread * torch.randn(count, size, generator=generator), labels_N


@pytest.mark.parametrize("a", [0.3, 1.0, 4.0])
def test_two_points_have_the_optimum_that_can_be_computed(a: float) -> None:
    """For points at 1 and -1 the weights are a and -a where penalty * a = 1 / (1 + exp(2 a))."""
    features_ND, labels_N = torch.tensor([[1.0], [-1.0]]), torch.tensor([0, 1])
    found = fit_regression(features_ND, labels_N, 2, 1 / (a * (1 + math.exp(2 * a))))
    assert found.weight_KD[:, 0].tolist() == pytest.approx([a, -a], rel=1e-4)
    assert found.bias_K.tolist() == pytest.approx([0, 0], abs=1e-5)


@pytest.mark.parametrize("penalty", [1.0, 1e-3, 1e-6])
def test_the_gradient_vanishes_at_the_optimum(penalty: float) -> None:
    features_ND, labels_N = clouds()
    found = fit_regression(features_ND, labels_N, 4, penalty)
    assert found.gradient <= TOLERANCE
    # The gradient of the textbook: (softmax - one-hot)^T features / N + penalty * weights.
    error_NK = found.logits(features_ND).softmax(1) - F.one_hot(labels_N, 4)
    weight_KD = error_NK.T @ features_ND.double() / len(labels_N) + penalty * found.weight_KD
    assert float(weight_KD.abs().max()) <= TOLERANCE
    assert float(error_NK.mean(0).abs().max()) <= TOLERANCE


def test_it_finds_what_scipy_finds() -> None:
    features_ND, labels_N = clouds()
    features_ND = features_ND.double()

    def objective(flat: Any) -> tuple[float, Any]:
        parameters = torch.tensor(flat, requires_grad=True)
        logits_NK = features_ND @ parameters[:24].view(4, 6).T + parameters[24:]
        loss = F.cross_entropy(logits_NK, labels_N) + 0.005 * parameters[:24].square().sum()
        loss.backward()
        return loss.item(), parameters.grad.numpy()  # type: ignore[union-attr]

    expected = minimize(objective, [0.0] * 28, jac=True, method="BFGS", options={"gtol": 1e-8})
    found = fit_regression(features_ND, labels_N, 4, 0.01)
    assert found.weight_KD.flatten().tolist() == pytest.approx(expected.x[:24].tolist(), abs=1e-4)


def test_it_works_in_inference_mode_and_twice_the_same() -> None:
    with torch.inference_mode():
        features_ND, labels_N = clouds()
        first, second = (fit_probe(features_ND, labels_N, 4, seed=1) for _ in range(2))
    assert torch.equal(first.regression.weight_KD, second.regression.weight_KD)
    assert first.penalty == second.penalty


@pytest.mark.parametrize(("case", "chosen"), [((200, 2, 40, 2.0), 1.0), ((300, 4, 20, 4.0), 0.1)])
def test_the_penalty_is_that_with_which_held_out_pictures_are_named_best(
    case: tuple[int, int, int, float], chosen: float
) -> None:
    features_ND, labels_N = clouds(*case)
    scaled_ND = Scaling.of(features_ND).apply(features_ND)
    fitted, held = split_by_class(labels_N, 0.2, 0)
    scores = {}
    for penalty in PENALTIES:
        regression = fit_regression(scaled_ND[fitted], labels_N[fitted], case[1], penalty)
        logits_HK = regression.logits(scaled_ND[held])
        right = float((logits_HK.argmax(1) == labels_N[held]).double().mean())
        scores[penalty] = (right, -float(F.cross_entropy(logits_HK, labels_N[held])))
    probe = fit_probe(features_ND, labels_N, case[1])
    assert probe.penalty == max(scores, key=lambda penalty: scores[penalty]) == chosen
    whole = fit_regression(scaled_ND, labels_N, case[1], chosen)
    assert torch.equal(probe.regression.weight_KD, whole.weight_KD), "it is fitted anew on all training pictures"


def test_the_scale_of_features_does_not_matter() -> None:
    features_ND, labels_N = clouds()
    first, second = fit_probe(features_ND, labels_N, 4), fit_probe(0.01 * features_ND + 3, labels_N, 4)
    assert first.penalty == second.penalty
    torch.testing.assert_close(first.logits(features_ND), second.logits(0.01 * features_ND + 3), atol=1e-2, rtol=1e-2)
    scaled_ND = Scaling.of(features_ND).apply(features_ND)
    assert float(scaled_ND.square().mean()) == pytest.approx(1) and float(scaled_ND.mean(0).abs().max()) < 1e-6


def test_parts_have_every_class_and_no_row_twice() -> None:
    labels_N = torch.tensor([0] * 10 + [1] * 2 + [2])
    first, second = split_by_class(labels_N, 0.2, 3)
    assert sorted([*first.tolist(), *second.tolist()]) == list(range(13))
    assert labels_N[second].tolist() == [0, 0, 1] and 12 in first.tolist()
    assert split_by_class(labels_N, 0.2, 3)[1].tolist() == second.tolist()
    assert {tuple(split_by_class(labels_N, 0.2, seed)[1].tolist()) for seed in range(9)} != {tuple(second.tolist())}
    with pytest.raises(ValueError, match="between 0 and 1"):
        split_by_class(labels_N, 1.0, 0)


@pytest.mark.parametrize("chunk", [3, 512])
def test_neighbours_vote_as_in_a_loop(chunk: int) -> None:
    features_ND, labels_N = clouds()
    unit_NE = F.normalize(features_ND, dim=-1)
    train_NE, test_BE = unit_NE[:90], unit_NE[90:]
    found = vote_of_nearest(train_NE, labels_N[:90], test_BE, 4, (1, 5, 20, 500), chunk)
    for k, answers_B in found.items():
        for row, answer in zip(test_BE, answers_B.tolist(), strict=True):
            similar = (row @ train_NE.T).tolist()
            votes = [0.0] * 4
            for i in sorted(range(90), key=lambda i: -similar[i])[:k]:
                votes[int(labels_N[i])] += math.exp(similar[i] / TEMPERATURE)
            assert answer == votes.index(max(votes))


def test_probes_learn_from_a_part_and_are_tested_on_the_rest(class_folders: Path, seer: Any, nothing: EvalData) -> None:
    pictures = open_labelled(class_folders, list_classes(NAMES), 8)
    found = Probes(pictures, share=0.25, neighbours=(1, 3))(seer({4: 5}), nothing)
    assert found.protocol["train_pictures"] == 28 and found.protocol["test_share"] == 0.25
    # Foxes and owls have one embedding, so that one of both is wrong.
    for name in ("linear_probe", "knn_1", "knn_3"):
        assert found.metrics[name] == found.metrics[f"{name}_mean_per_class_recall"] == pytest.approx(6 / 7)
        assert found.intervals[name][0] < 6 / 7 < found.intervals[name][1]


def test_a_picture_that_is_learned_from_and_tested_on_is_counted(tmp_path: Path, seer: Any, nothing: EvalData) -> None:
    for name, marks in (("fox", (0, 0)), ("owl", (1, 2))):
        (tmp_path / name).mkdir()
        for i, mark in enumerate(marks):
            (tmp_path / name / f"{i}.png").write_bytes(flat(NAMES.index(name), mark=mark))
    found = Probes(open_labelled(tmp_path, list_classes(NAMES), 8), share=0.5)(seer(), nothing)
    assert found.metrics["linear_probe"] == found.metrics["knn_1"] == 1
    assert "1 test picture can also be found among the training pictures" in found.note


def test_sets_that_do_not_suit_are_refused(class_folders: Path, tmp_path: Path, seer: Any, nothing: EvalData) -> None:
    single = open_labelled(class_folders, list_classes(NAMES), 8).part([0, 4, 8])
    with pytest.raises(UserError, match="has a single picture: give two or more"):
        Probes(single)(seer(), nothing)
    (tmp_path / "one" / "fox").mkdir(parents=True)
    (tmp_path / "one" / "fox" / "a.png").write_bytes(flat(4))
    assert "one class only" in Probes(open_labelled(tmp_path / "one", None, 8)).explain_lack(nothing)
