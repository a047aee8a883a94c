"""How far our features of Inception are from those of torch-fidelity, where that is installed.

Both get one file of random weights and the same uint8 pictures. Random weights are as good as the published ones for
this, because every layer takes part in every feature; they are scaled so that what passes through keeps its size.
"""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from majolica.features.extractor import open_extractor
from majolica.features.inception import Inception

SIZES = ((48, 48), (256, 256), (299, 299), (300, 400))
"""Heights and widths of the pictures: to be enlarged, usual, of the size of the network, not square."""


def largest_difference_to_torch_fidelity(pictures: int = 2) -> float | None:
    """Return the largest difference of any feature, as a share of the largest feature; None without torch-fidelity.

    It is the largest over all `SIZES`, in float32 on the CPU. Rounding alone makes about 3e-7 of it.
    """
    try:
        package = importlib.import_module("torch_fidelity.feature_extractor_inceptionv3")
    except ImportError:
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "random.pth"
        torch.save(draw_weights(0), path)
        theirs = package.FeatureExtractorInceptionV3("theirs", ["2048"], feature_extractor_weights_path=str(path))
        ours = open_extractor("inception", path, torch.device("cpu"), convention="torch-fidelity")
    generator = torch.Generator().manual_seed(1)
    differences = []
    for height, width in SIZES:
        images_B3HW = torch.randint(256, (pictures, 3, height, width), dtype=torch.uint8, generator=generator)
        expected_BD = theirs(images_B3HW)[0]
        difference_BD = ours.describe(images_B3HW) - expected_BD
        differences.append(float(difference_BD.abs().max() / expected_BD.abs().max()))
    return max(differences)


def draw_weights(seed: int) -> Mapping[str, Tensor]:
    """Return random weights of Inception in the format of torch-fidelity."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Inception()
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight)
            elif isinstance(layer, nn.BatchNorm2d):
                nn.init.normal_(layer.bias, std=0.3)
                layer.running_mean = 0.3 * torch.randn(layer.num_features)
                layer.running_var = 0.5 + torch.rand(layer.num_features)
    return network.state_dict()
