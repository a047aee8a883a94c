"""Every picture of an evaluation is painted and embedded by one rank, whatever their number."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from majolica.distributed.group import Group
from majolica.launch.shared_pipeline import SharedPipeline, cut_evenly
from majolica.sampling.request import PaintRequest


@pytest.mark.parametrize("count", [0, 1, 5, 7, 64, 1000])
@pytest.mark.parametrize("ranks", [1, 2, 3, 7, 64])
def test_each_row_has_one_rank_and_shares_differ_by_one(count: int, ranks: int) -> None:
    parts = [list(range(count))[rows] for rows in cut_evenly(count, ranks)]
    assert len(parts) == ranks and [row for part in parts for row in part] == list(range(count))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_one_rank_does_all_of_it() -> None:
    class Painter:
        def paint_request(self, request: PaintRequest) -> Tensor:
            return torch.tensor(list(request.seed))  # type: ignore[arg-type]

        def embed_images(self, images_B3HW: Tensor) -> Tensor:
            return images_B3HW.flatten(1)[:, :1]

    shared = SharedPipeline(Painter(), Group(0, 1, torch.device("cpu")))  # type: ignore[arg-type]
    assert shared.paint_request(PaintRequest(["a"] * 5, seed=range(3, 8), batch=2)).tolist() == [3, 4, 5, 6, 7]
    assert shared.embed_images(torch.arange(6).view(6, 1, 1, 1)).flatten().tolist() == list(range(6))
    shared.close()
