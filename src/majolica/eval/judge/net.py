"""The training of a judge's network on new renders that are damaged at random."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from majolica.callbacks import ReportProgress
from majolica.data.drawings.compose import compose
from majolica.data.drawings.openmoji import find_drawings
from majolica.eval.judge.degrade import blur
from majolica.eval.judge.lessons import LESSONS, JudgeLesson
from majolica.eval.judge.spec import JudgeSpec

STREAM = 0x6A756467
"""Part of the seed, so that a data set of the same seed has other renders than its judges."""


@dataclass(frozen=True)
class Scores:
    """How good a judge is, as shares of held-out renders."""

    plain: float
    """The share that is named correctly."""
    damaged: float
    """The share that is named correctly after blur, noise and loss of contrast (see `_damage`)."""
    fooled: float
    """The share whose names the judge still gives after their shapes are spoiled; it should be low."""


def train_net(spec: JudgeSpec, progress: ReportProgress | None = None) -> tuple[nn.Module, Scores]:
    """Train a network, and score it on held-out renders; see `train_judge` for `progress`."""
    lesson = LESSONS[spec.kind]
    images_B3HW, targets_BK, _ = render_drawings(spec, [spec.seed, STREAM, 0], spec.renders)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(spec.seed)
        net = lesson.build(len(spec.names))
        _learn(net, lesson, images_B3HW, targets_BK, spec, progress)
    net.eval()
    return net, measure_scores(lambda pictures, wanted: check_answers(predict(net, pictures), wanted), spec)


def measure_scores(recognise: Callable[[Tensor, Sequence[set[int]]], Tensor], spec: JudgeSpec) -> Scores:
    """Score a judge of `spec` on held-out renders.

    `recognise` says for each picture, with values in [0, 1], whether it shows what is wanted, bool `(B,)`.
    """
    test_B3HW, _, wanted = render_drawings(spec, [spec.seed, STREAM, 1], max(64, spec.renders // 6))
    pictures = test_B3HW.float() / 255
    damaged = _damage(pictures, spec.seed)
    nonsense = LESSONS[spec.kind].spoil(pictures, torch.Generator().manual_seed(spec.seed))
    views = (pictures, damaged, nonsense)
    return Scores(*(float(recognise(view, wanted).float().mean()) for view in views))


def _learn(
    net: nn.Module,
    lesson: JudgeLesson,
    images_B3HW: Tensor,
    targets_BK: Tensor,
    spec: JudgeSpec,
    progress: ReportProgress | None,
) -> None:
    """Train with AdamW, one cycle of the learning rate, and batches of 64 newly damaged renders.

    The labels are smoothed by 0.05.
    """
    steps, nonsense = round(lesson.effort * spec.steps), lesson.nonsense
    generator = torch.Generator().manual_seed(spec.seed)
    optimiser = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=0.02)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=max(2, steps), pct_start=0.2)
    net.train()
    for step in range(steps):
        rows = torch.randint(len(images_B3HW), (64,), generator=generator)
        pictures, targets = images_B3HW[rows].float() / 255, targets_BK[rows]
        pictures[:nonsense] = lesson.spoil(pictures[:nonsense], generator)
        targets[:nonsense] = torch.eye(targets.shape[1])[-1]
        pictures = lesson.damage(pictures, generator)
        logits = net(pictures.contiguous(memory_format=torch.channels_last) - 0.5)
        loss = F.cross_entropy(logits, targets, label_smoothing=0.05)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        cycle.step()
        if progress:
            progress(step + 1, steps)


def render_drawings(spec: JudgeSpec, stream: Sequence[int], count: int) -> tuple[Tensor, Tensor, list[set[int]]]:
    """Draw `count` new renders of the names of `spec`; `stream` is the seed.

    Returns uint8 pictures `B3HW`, target distributions `(B, K + 1)` over the names and none of
    them, and the indices of the names that each picture shows.
    """
    names = spec.names
    chosen = find_drawings(list(names))
    index = {name: i for i, name in enumerate(names)}
    pictures, wanted = [], []
    for i in range(count):
        sample = compose(np.random.default_rng([*stream, i]), chosen, spec.resolution, objects=spec.objects)
        pictures.append(torch.from_numpy(sample.image).permute(2, 0, 1))
        wanted.append({index[name] for name in sample.meta["names"]})
    targets_BK = torch.zeros(count, len(names) + 1)
    for row, shown in enumerate(wanted):
        targets_BK[row, list(shown)] = 1 / len(shown)
    return torch.stack(pictures), targets_BK, wanted


def predict(net: nn.Module, images_B3HW: Tensor) -> Tensor:
    """Return the mean of the probabilities of a picture and of its mirror image, `(B, K + 1)`.

    The values of `images_B3HW` are in [0, 1].
    """
    with torch.no_grad():
        both = [net(view - 0.5).softmax(1) for view in (images_B3HW, images_B3HW.flip(3))]
    return torch.stack(both).mean(0)


def pooled_features(net: nn.Module, images_B3HW: Tensor) -> Tensor:
    """Return the input of the last layer of a network of `build_residual`, `(B, 128)`.

    The values of `images_B3HW` are in [0, 1].
    """
    assert isinstance(net, nn.Sequential)
    features: Tensor = net[:-1](images_B3HW - 0.5)
    return features


def check_answers(probabilities_BK: Tensor, wanted: Sequence[set[int]]) -> Tensor:
    """Return whether the most probable names of each picture are the wanted ones, bool `(B,)`.

    For picture i, the `len(wanted[i])` most probable names are compared.
    """
    pairs = zip(probabilities_BK, wanted, strict=True)
    right = [set(row.topk(len(names)).indices.tolist()) == names for row, names in pairs]
    return torch.tensor(right, dtype=torch.bool)


def _damage(images_B3HW: Tensor, seed: int) -> Tensor:
    """Damage pictures for a test of robustness.

    They are blurred (sigma is 1/48 of the width), lose half of their contrast, and get Gaussian
    noise with a standard deviation of 0.06.
    """
    soft = blur(images_B3HW, images_B3HW.shape[-1] / 48)
    noise = torch.randn(soft.shape, generator=torch.Generator().manual_seed(seed))
    return ((soft - 0.5) * 0.5 + 0.5 + 0.06 * noise).clamp(0, 1)
