"""Multinomial logistic regression on frozen features: the linear probe.

Shapes: N pictures, D numbers of a feature, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from majolica.eval.labelled.splitting import split_by_class

PENALTIES = tuple(10.0**power for power in range(1, -7, -1))
"""Weights of the penalty that are tried, the strongest first."""
TOLERANCE = 1e-6
"""The largest derivative at which a fit counts as done."""


@dataclass(frozen=True)
class Scaling:
    """Moves features to mean 0 and root mean square 1, both over all numbers, so that one penalty suits any model."""

    mean_D: Tensor
    size: Tensor

    @staticmethod
    def of(features_ND: Tensor) -> Scaling:
        """Return the scaling of a training set."""
        mean_D = features_ND.double().mean(0)
        return Scaling(mean_D, (features_ND.double() - mean_D).square().mean().sqrt().clamp(min=1e-12))

    def apply(self, features_ND: Tensor) -> Tensor:
        """Return scaled features, float64."""
        return (features_ND.double() - self.mean_D) / self.size


@dataclass(frozen=True)
class Regression:
    """A fitted regression: logits are features times weights plus bias."""

    weight_KD: Tensor
    bias_K: Tensor
    gradient: float
    """The largest derivative of the objective, which is convex: 0 would be its minimum."""

    def logits(self, features_ND: Tensor) -> Tensor:
        """Return logits, float64 `(N, K)`."""
        return features_ND.double() @ self.weight_KD.T + self.bias_K


def fit_regression(
    features_ND: Tensor,
    labels_N: Tensor,
    classes: int,
    penalty: float,
    start: Regression | None = None,
    rounds: int = 1000,
) -> Regression:
    """Minimise the mean cross entropy plus `penalty` / 2 times the sum of squared weights, in float64.

    The bias is not penalised. The objective is convex, and L-BFGS (Liu and Nocedal, 1989) with the line search for
    the strong Wolfe conditions runs until no derivative is above `TOLERANCE`, or for `rounds` iterations. It draws
    nothing at random.
    """
    with torch.inference_mode(False), torch.enable_grad():
        # Copies, because tensors that were made in inference mode cannot be saved for a backward pass.
        features_ND, labels_N = features_ND.double().clone(), labels_N.clone()
        weight_KD = torch.zeros(classes, features_ND.shape[1], dtype=torch.float64)
        bias_K = torch.zeros(classes, dtype=torch.float64)
        if start is not None:
            weight_KD, bias_K = start.weight_KD.clone(), start.bias_K.clone()
        parts = [weight_KD.requires_grad_(), bias_K.requires_grad_()]
        optimiser = torch.optim.LBFGS(
            parts,
            max_iter=rounds,
            max_eval=3 * rounds,
            tolerance_grad=TOLERANCE,
            tolerance_change=0.0,
            history_size=20,
            line_search_fn="strong_wolfe",
        )

        def objective() -> Tensor:
            optimiser.zero_grad()
            loss = F.cross_entropy(F.linear(features_ND, weight_KD, bias_K), labels_N)
            loss = loss + penalty / 2 * weight_KD.square().sum()
            loss.backward()  # type: ignore[no-untyped-call]
            return loss

        optimiser.step(objective)  # type: ignore[no-untyped-call]
        objective()
    gradient = max(float(part.grad.abs().max()) for part in parts if part.grad is not None)
    return Regression(weight_KD.detach(), bias_K.detach(), gradient)


@dataclass(frozen=True)
class Probe:
    """A regression whose penalty was chosen on a part of the training set."""

    scaling: Scaling
    regression: Regression
    penalty: float

    def logits(self, features_ND: Tensor) -> Tensor:
        """Return logits, float64 `(N, K)`, of features as they were given."""
        return self.regression.logits(self.scaling.apply(features_ND))


def fit_probe(
    features_ND: Tensor,
    labels_N: Tensor,
    classes: int,
    penalties: Sequence[float] = PENALTIES,
    share: float = 0.2,
    seed: int = 0,
) -> Probe:
    """Choose the penalty that names most of `share` of the training set right, and fit all of it with that penalty.

    Among penalties that are equally right, the one with the lower cross entropy is chosen.
    """
    scaling = Scaling.of(features_ND)
    scaled_ND = scaling.apply(features_ND)
    fitted, held = split_by_class(labels_N, share, seed)
    if not len(held):  # every class has a single picture
        held = fitted
    best, chosen = (-1.0, 0.0), penalties[0]
    start: Regression | None = None
    for penalty in penalties:
        start = fit_regression(scaled_ND[fitted], labels_N[fitted], classes, penalty, start)
        logits_HK = start.logits(scaled_ND[held])
        right = float((logits_HK.argmax(1) == labels_N[held]).double().mean())
        score = (right, -float(F.cross_entropy(logits_HK, labels_N[held])))
        if score > best:
            best, chosen = score, penalty
    return Probe(scaling, fit_regression(scaled_ND, labels_N, classes, chosen), chosen)
