"""The network of the judge, and its training on new renders that are damaged at random."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from majolica.data.drawings.compose import compose
from majolica.data.drawings.openmoji import drawings
from majolica.eval.judge.degrade import blur, degrade, scramble
from majolica.eval.judge.spec import JudgeSpec

Progress = Callable[[int, int], None]
NONSENSE = 16
"""Rows in each batch of 64 that are scrambled and belong to no name.

They teach the judge to look at shapes, and not at colours.
"""
STREAM = 0x6A756467
"""Part of the seed, so that a data set of the same seed has other renders than the judge."""


@dataclass(frozen=True)
class Scores:
    """How good a judge is, as shares of held-out renders."""

    plain: float
    """The share that is named correctly."""
    damaged: float
    """The share that is named correctly after blur, noise and loss of contrast (see `_damage`)."""
    fooled: float
    """The share whose names the judge still gives after they are scrambled; it should be low."""


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        last = nn.Sequential(nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width))
        self.body = nn.Sequential(_conv(width, width, 1), last)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return F.relu(x_BCHW + self.body(x_BCHW))


def _conv(inside: int, outside: int, stride: int, kernel: int = 3) -> nn.Sequential:
    conv = nn.Conv2d(inside, outside, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outside), nn.ReLU())


def build_net(classes: int) -> nn.Sequential:
    """Return a convolutional network of five stages and about 0.5 M parameters.

    It accepts any input size, because it ends in a global average. Its last output stands for none
    of the `classes`.
    """
    body = (_conv(3, 32, 2, 5), _conv(32, 64, 2), _Residual(64), _conv(64, 128, 2), _Residual(128))
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.1), nn.Linear(128, classes + 1))
    return channels_last(nn.Sequential(*body, *head))


def channels_last(net: nn.Sequential) -> nn.Sequential:
    """Convert to the memory layout in which convolutions take a quarter less time on a CPU."""
    moved: nn.Sequential = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return moved


def train_net(spec: JudgeSpec, progress: Progress | None = None) -> tuple[nn.Module, Scores]:
    """Train a network, and score it on held-out renders; see `train_judge` for `progress`."""
    images_B3HW, targets_BK, _ = renders(spec, [spec.seed, STREAM, 0], spec.renders)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(spec.seed)
        net = build_net(len(spec.names))
        _learn(net, images_B3HW, targets_BK, spec, progress)
    net.eval()
    test_B3HW, _, wanted = renders(spec, [spec.seed, STREAM, 1], max(64, spec.renders // 6))
    pictures = test_B3HW.float() / 255
    damaged = _damage(pictures, spec.seed)
    nonsense = scramble(pictures, torch.Generator().manual_seed(spec.seed))
    shares = [float(check_answers(predict(net, view), wanted).float().mean()) for view in (pictures, damaged, nonsense)]
    return net, Scores(*shares)


def _learn(net: nn.Module, images_B3HW: Tensor, targets_BK: Tensor, spec: JudgeSpec, progress: Progress | None) -> None:
    """Train with AdamW, one cycle of the learning rate, and batches of 64 newly damaged renders.

    The labels are smoothed by 0.05.
    """
    steps = spec.steps
    generator = torch.Generator().manual_seed(spec.seed)
    optimiser = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=0.02)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=max(2, steps), pct_start=0.2)
    net.train()
    for step in range(steps):
        rows = torch.randint(len(images_B3HW), (64,), generator=generator)
        pictures, targets = images_B3HW[rows].float() / 255, targets_BK[rows]
        pictures[:NONSENSE] = scramble(pictures[:NONSENSE], generator)
        targets[:NONSENSE] = torch.eye(targets.shape[1])[-1]
        pictures = degrade(pictures, generator)
        logits = net(pictures.contiguous(memory_format=torch.channels_last) - 0.5)
        loss = F.cross_entropy(logits, targets, label_smoothing=0.05)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        cycle.step()
        if progress:
            progress(step + 1, steps)


def renders(spec: JudgeSpec, stream: Sequence[int], count: int) -> tuple[Tensor, Tensor, list[set[int]]]:
    """Draw `count` new renders of the names of `spec`; `stream` is the seed.

    Returns uint8 pictures `B3HW`, target distributions `(B, K + 1)` over the names and none of
    them, and the indices of the names that each picture shows.
    """
    names = spec.names
    chosen = drawings(list(names))
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
    """Return the input of the last layer of a network of `build_net`, `(B, 128)`.

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
