"""Muon's update is the orthogonal factor of its momentum."""

import pytest
import torch

from majolica.train.optim.muon import Muon, orthogonalise


def test_singular_values_come_near_one() -> None:
    torch.manual_seed(0)
    for shape in ((3, 24, 8), (3, 8, 24), (1, 16, 16)):
        values = torch.linalg.svdvals(orthogonalise(torch.randn(shape), torch.float32))
        assert values.min() > 0.4 and values.max() < 1.3


@pytest.mark.parametrize(("dtype", "error"), [(torch.float32, 1e-4), (torch.bfloat16, 2e-2)])
def test_singular_vectors_are_kept(dtype: torch.dtype, error: float) -> None:
    torch.manual_seed(0)
    matrix = torch.randn(1, 12, 6)
    left, _, right = torch.linalg.svd(matrix[0], full_matrices=False)
    core = left.T @ orthogonalise(matrix, dtype)[0] @ right.T
    torch.testing.assert_close(core, torch.diag(core.diagonal()), atol=error, rtol=0)


def test_equal_shapes_do_not_mix() -> None:
    """Two matrices stepped together move as each does alone."""
    torch.manual_seed(0)
    values, gradients = torch.randn(2, 8, 4), torch.randn(2, 8, 4)
    together = [value.clone().requires_grad_() for value in values]
    alone = [value.clone().requires_grad_() for value in values]
    for parameters in (together, alone):
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient.clone()
    Muon(together, lr=0.1, weight_decay=0.1).step()
    for parameter in alone:
        Muon([parameter], lr=0.1, weight_decay=0.1).step()
    for one, other in zip(together, alone, strict=True):
        torch.testing.assert_close(one, other)
