"""The Frechet distance between the features of two sets of pictures."""

from __future__ import annotations

import torch
from torch import Tensor


def frechet_distance(first_BD: Tensor, second_BD: Tensor) -> float:
    """Return the squared Frechet distance between Gaussians fitted to two sets of features.

    It is |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) for the means m and the covariances C, in
    double precision (Heusel et al., "GANs Trained by a Two Time-Scale Update Rule", arXiv
    1706.08500). It is 0 for equal sets. The distance between two sets from the same distribution
    grows as the sets become smaller, so compare it with that between two sets of real pictures.
    Raises ValueError if a set has fewer than two pictures, because it then has no covariance.
    """
    if min(len(first_BD), len(second_BD)) < 2:
        raise ValueError("a Frechet distance needs two pictures on each side")
    first_BD, second_BD = first_BD.double(), second_BD.double()
    shift_D = first_BD.mean(0) - second_BD.mean(0)
    first_DD, second_DD = _covariance(first_BD), _covariance(second_BD)
    root_DD = _root(first_DD)
    # C1 C2 has the eigenvalues of the symmetric C1^(1/2) C2 C1^(1/2).
    shared_D = torch.linalg.eigvalsh(root_DD @ second_DD @ root_DD).clamp(min=0).sqrt()
    distance = shift_D.square().sum() + first_DD.trace() + second_DD.trace() - 2 * shared_D.sum()
    return max(0.0, float(distance))


def _covariance(x_BD: Tensor) -> Tensor:
    """Return the covariance matrix; it is a matrix also if there is a single feature."""
    return torch.cov(x_BD.T).reshape(x_BD.shape[1], x_BD.shape[1])


def _root(matrix_DD: Tensor) -> Tensor:
    """Return the square root of a symmetric positive semidefinite matrix.

    Eigenvalues that are negative because of rounding count as 0.
    """
    values_D, vectors_DD = torch.linalg.eigh(matrix_DD)
    root_DD: Tensor = vectors_DD * values_D.clamp(min=0).sqrt() @ vectors_DD.T
    return root_DD
