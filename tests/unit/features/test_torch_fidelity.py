"""Features of Inception, against those of torch-fidelity where it is installed."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
import torch

from majolica.features.extractor import open_extractor
from random_inception import smooth_pictures

pytest.importorskip("torch_fidelity")
package: Any = importlib.import_module("torch_fidelity.feature_extractor_inceptionv3")


@pytest.mark.parametrize("size", [(48, 48), (256, 256), (299, 299), (300, 400)])
def test_features_agree_to_the_rounding_of_float32(weights_file: Path, size: tuple[int, int]) -> None:
    theirs = package.FeatureExtractorInceptionV3("theirs", ["2048"], feature_extractor_weights_path=str(weights_file))
    ours = open_extractor("inception", weights_file, torch.device("cpu"), convention="torch-fidelity")
    images_B3HW = smooth_pictures(2, *size)
    (expected_BD,) = theirs(images_B3HW)
    assert float((ours.describe(images_B3HW) - expected_BD).abs().max()) <= 1e-6 * float(expected_BD.abs().max())
