"""The tiny model, and something to ask of it."""

import pytest
import torch

from majolica.models.conditions import Condition
from majolica.models.majolica import Majolica
from tiny import TINY, awake


@pytest.fixture
def tiny() -> Majolica:
    torch.manual_seed(0)
    model = awake(Majolica(TINY)).eval()
    assert isinstance(model, Majolica)
    return model


@pytest.fixture
def asked() -> Condition:
    tokens = torch.randint(4, 300, (3, 8), generator=torch.Generator().manual_seed(1))
    return Condition(
        tokens,
        torch.ones(3, dtype=torch.bool),
        torch.full((3, 3), 0.4),
        torch.zeros(3, 3, dtype=torch.bool),
    )
