"""The form that features have in this room: a finite matrix in double precision."""

from __future__ import annotations

import torch
from torch import Tensor

from majolica.plurals import counted


def to_double(features_BD: Tensor, least: int = 0) -> Tensor:
    """Return features in float64, on their own device if that knows float64 and otherwise on the CPU.

    Raises ValueError if they are no matrix, are not finite, or are fewer than `least`.
    """
    if features_BD.ndim != 2:
        raise ValueError(
            f"features must have two axes (pictures, dimensions), not the shape {tuple(features_BD.shape)}"
        )
    if len(features_BD) < least:
        raise ValueError(f"at least {counted(least, 'sample')} are needed, and there are {len(features_BD)}")
    if features_BD.device.type == "mps":
        features_BD = features_BD.cpu()
    features_BD = features_BD.double()
    if not bool(features_BD.isfinite().all()):
        raise ValueError("features must be finite, and some are infinite or not a number")
    return features_BD


def pair_doubles(first_BD: Tensor, second_BD: Tensor, least: int) -> tuple[Tensor, Tensor]:
    """Return both sets of features as `to_double` does; raises ValueError also if their dimensions differ."""
    if first_BD.shape[1:] != second_BD.shape[1:]:
        shapes = f"{tuple(first_BD.shape)} and {tuple(second_BD.shape)}"
        raise ValueError(f"two sets of features must have equally many dimensions, not the shapes {shapes}")
    return to_double(first_BD, least), to_double(second_BD, least)


def squared_distances(rows_BD: Tensor, columns_CD: Tensor) -> Tensor:
    """Return the squared Euclidean distances `BC` between all rows and all columns, in their own precision.

    They are |x|^2 + |y|^2 - 2 x.y, so their rounding error is relative to the norms: centre the features
    if these are large beside the distances.
    """
    norms_BC = rows_BD.square().sum(1)[:, None] + columns_CD.square().sum(1)[None]
    return torch.addmm(norms_BC, rows_BD, columns_CD.T, alpha=-2).clamp_(min=0)


def chunk_rows(columns: int, elements: int = 1 << 23) -> int:
    """Return how many rows of a matrix with so many columns hold about `elements` numbers (64 MB); at least 1."""
    return max(1, elements // max(1, columns))
