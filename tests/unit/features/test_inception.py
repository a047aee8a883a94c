"""Inception v3 of FID: names and shapes of its weights, its pools, and its features."""

from __future__ import annotations

import hashlib

import pytest
import torch

from majolica.errors import UserError
from majolica.features.conventions import CONVENTIONS, find_convention
from majolica.features.inception import Inception
from majolica.features.inception_blocks import average_neighbours, largest_neighbour
from random_inception import random_inception, smooth_pictures

BRANCHES = [320, 384, 384, 384, 384, 192]
# What torch-fidelity 0.4.0, pytorch-fid 0.3.0, and its network behind the resizing of clean-fid 0.1.35 give with the
# random weights for the picture below: the mean of the features of each branch of the last block.
EXPECTED = {
    "clean-fid": [2.848681, 3.192822, 3.476535, 2.941168, 3.134035, 3.473794],
    "torch-fidelity": [2.782138, 3.11383, 3.387418, 2.872428, 3.064825, 3.391407],
    "pytorch-fid": [2.805106, 3.141243, 3.418972, 2.896997, 3.088805, 3.418375],
}


def test_names_and_shapes_of_the_weights_are_those_of_torch_fidelity() -> None:
    with torch.device("meta"):
        state = Inception().state_dict()
    lines = sorted(f"{name} {tuple(value.shape)}" for name, value in state.items())
    assert len(lines) == 566
    found = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    assert found == "760681d791cb624e1bf7a2e802a68933dd17aa5e3109fcf498d9dfa521bc10d7"


def test_the_mean_of_neighbours_leaves_out_what_lies_beyond_the_border() -> None:
    x_1199 = torch.arange(81.0).view(1, 1, 9, 9)
    mean_99 = average_neighbours(x_1199)[0, 0]
    assert mean_99[0, 0] == (0 + 1 + 9 + 10) / 4
    assert mean_99[0, 4] == (3 + 4 + 5 + 12 + 13 + 14) / 6
    assert mean_99[4, 4] == 40
    assert torch.equal(average_neighbours(torch.ones(1, 1, 3, 3)), torch.ones(1, 1, 3, 3))
    assert largest_neighbour(x_1199)[0, 0, 0, 0] == 10


@pytest.mark.parametrize("name", CONVENTIONS)
def test_features_and_logits_are_those_of_the_packages(name: str) -> None:
    state = random_inception()
    network = Inception().eval()
    network.load_state_dict(state)
    with torch.no_grad():
        features_BD = network(find_convention(name).prepare(smooth_pictures(1, 150, 120)))
        assert features_BD.shape == (1, 2048)
        means = [float(part.mean()) for part in features_BD.split(BRANCHES, 1)]
        assert means == pytest.approx(EXPECTED[name], rel=1e-5)
        logits_BK = network.logits(features_BD)
    assert torch.allclose(logits_BK, network.fc(features_BD) - state["fc.bias"], atol=1e-3)
    assert logits_BK.shape == (1, 1008)


def test_an_unknown_convention_is_answered_with_the_nearest() -> None:
    with pytest.raises(UserError, match="did you mean 'clean-fid'"):
        find_convention("clean_fid")
