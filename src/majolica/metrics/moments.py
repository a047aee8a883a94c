"""Mean and covariance of features that arrive in chunks, as precisely as from all at once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from majolica.metrics.features import to_double


@dataclass(frozen=True)
class Moments:
    """The number of features, their mean and their scatter, in float64.

    The scatter is the sum of the outer products of the deviations from the mean. It is kept instead of
    the sum of squares, from which the covariance would be a difference of large numbers.
    """

    count: int
    mean_D: Tensor
    scatter_DD: Tensor

    @classmethod
    def of(cls, features_BD: Tensor) -> Moments:
        """Return the moments of features of any precision; of no features, they are all 0.

        Raises ValueError if the features are no matrix or are not finite.
        """
        features_BD = to_double(features_BD)
        if not len(features_BD):
            zeros_D = features_BD.new_zeros(features_BD.shape[1])
            return cls(0, zeros_D, torch.outer(zeros_D, zeros_D))
        mean_D = features_BD.mean(0)
        deviations_BD = features_BD - mean_D
        return cls(len(features_BD), mean_D, deviations_BD.T @ deviations_BD)

    def merge(self, other: Moments) -> Moments:
        """Return the moments of both sets together.

        The formula is that of Chan, Golub and LeVeque ("Updating formulae and a pairwise algorithm for
        computing sample variances", 1979): S = S1 + S2 + (n1 n2 / n) (m2 - m1)(m2 - m1)^T.
        Raises ValueError if the dimensions differ.
        """
        if self.mean_D.shape != other.mean_D.shape:
            dimensions = f"{len(self.mean_D)} and {len(other.mean_D)}"
            raise ValueError(f"moments of {dimensions} dimensions cannot be merged")
        if not (self.count and other.count):
            return self if self.count else other
        count = self.count + other.count
        shift_D = other.mean_D - self.mean_D
        mean_D = self.mean_D + shift_D * (other.count / count)
        between_DD = torch.outer(shift_D, shift_D) * (self.count * (other.count / count))
        return Moments(count, mean_D, self.scatter_DD + other.scatter_DD + between_DD)

    @property
    def covariance_DD(self) -> Tensor:
        """The unbiased covariance, which divides by count - 1. Raises ValueError for fewer than two features."""
        if self.count < 2:
            raise ValueError(f"a covariance needs at least two samples, and there are {self.count}")
        return self.scatter_DD / (self.count - 1)
