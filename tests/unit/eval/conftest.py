"""A make-believe world in which every right answer is known.

Thing k is drawn as a flat picture of level 10 + 20 k; the painter draws what its prompt names; embeddings and
the judge read the level back.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from majolica.eval.judge.net import Scores
from majolica.eval.protocol import EvalData, Split
from majolica.sampling.request import PaintRequest, read_size

NAMES = ("red apple", "dolphin", "cactus", "umbrella", "fox")


def flat(levels: Sequence[float], size: int = 8) -> Tensor:
    return torch.tensor(levels).round().to(torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, size, size).contiguous()


def thing(text: str) -> int:
    return next(k for k, name in enumerate(NAMES) if name in text)


def read(images_B3HW: Tensor) -> Tensor:
    return ((images_B3HW.float().mean((1, 2, 3)) - 10) / 20).round().long().clamp(0, len(NAMES) - 1)


class FakePipeline:
    """A pipeline that sees and paints correctly, except for the keys of `mistakes`.

    The only property that it follows is brightness.
    """

    properties = ("brightness",)
    weights_sha256 = "f" * 64

    def __init__(self, mistakes: dict[int, int] | None = None) -> None:
        self.mistakes = mistakes or {}
        self.calls: list[PaintRequest] = []

    def paint_request(self, request: PaintRequest) -> Tensor:
        self.calls.append(request)
        (size, _), dials = read_size(request.size, 8), request.properties
        things = [thing(prompt) for prompt in request.prompts]
        if "brightness" in dials:
            return flat([255 * float(dials["brightness"])] * len(things), size)
        return flat([10 + 20 * self.mistakes.get(k, k) for k in things], size)

    def embed_images(self, images_B3HW: Tensor) -> Tensor:
        return torch.eye(len(NAMES))[[self.mistakes.get(k, k) for k in read(images_B3HW).tolist()]]

    def choose_templates(self, labels: Sequence[str], templates: Sequence[str]) -> Sequence[str]:
        return templates

    def embed_labels(self, labels: Sequence[str], templates: Sequence[str] | None = None) -> Tensor:
        return torch.eye(len(NAMES))[[thing(label) for label in labels]]


class FakeJudge:
    names = NAMES
    resolution = 8
    scores = Scores(0.99, 0.9, 0.1)

    def classify(self, images_B3HW: Tensor) -> Tensor:
        return torch.eye(len(NAMES))[read(images_B3HW)] * 0.9 + 0.02

    def answer(self, images_B3HW: Tensor) -> Tensor:
        return self.classify(images_B3HW)[None]

    def describe(self, images_B3HW: Tensor) -> Tensor:
        return torch.eye(len(NAMES))[read(images_B3HW)]


@pytest.fixture
def pipeline() -> type[FakePipeline]:
    return FakePipeline


@pytest.fixture
def judge() -> FakeJudge:
    return FakeJudge()


@pytest.fixture
def data() -> EvalData:
    """Each thing four times, once in a caption of its own."""
    things = [k for _ in range(4) for k in range(len(NAMES))]
    captions = [f"a picture of a {NAMES[k]} on teal" for k in things]
    metas = [{"names": [NAMES[k]], "label": k, "background": "teal"} for k in things]
    split = Split(flat([10 + 20 * k for k in things]), captions, metas)
    return EvalData(NAMES, split, split, drawn=True)
