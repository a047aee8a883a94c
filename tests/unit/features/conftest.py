"""A file of random weights of Inception, and pictures."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from random_inception import random_inception


@pytest.fixture(scope="session")
def weights_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state dict in the format of torch-fidelity and pytorch-fid."""
    path = tmp_path_factory.mktemp("inception") / "random.pth"
    torch.save(random_inception(), path)
    return path
