"""Mean losses between two lines of the log: finite ones alone, and the same after a stop."""

from __future__ import annotations

import json
from typing import Any

import torch

from majolica.distributed.group import Group
from majolica.train.watch.tally import Tally

ALONE = Group(0, 1, torch.device("cpu"))
NAN = float("nan")


def losses(flow: float, contrastive: float = 1.0, norm: float = 1.0, **more: float) -> dict[str, torch.Tensor]:
    values = {"loss": flow + contrastive, "flow": flow, "contrastive": contrastive, "gradient_norm": norm, **more}
    return {name: torch.tensor(value) for name, value in values.items()}


def tally(*steps: dict[str, torch.Tensor], first: int = 1) -> Tally:
    filled = Tally()
    for step, values in enumerate(steps, first):
        filled.add(step, values)
    return filled


def test_means_are_of_the_finite_values_and_say_how_many_are_left_out() -> None:
    sums = tally(losses(1.0), losses(NAN, norm=NAN), losses(3.0, float("inf"), NAN)).sum_up(ALONE)
    assert sums.losses["flow"].mean == 2.0 and sums.losses["contrastive"].mean == 1.0
    assert sums.losses["loss"].mean == 2.0 and sums.losses["gradient_norm"].mean == 1.0
    assert sums.left_out == 2 and sums.skipped == [2, 3]


def test_nothing_finite_is_no_number() -> None:
    sums = tally(losses(NAN, norm=NAN), losses(NAN, norm=NAN)).sum_up(ALONE)
    assert sums.losses["flow"].mean.isnan() and sums.losses["contrastive"].mean == 1.0
    assert sums.left_out == 2 and sums.skipped == [1, 2]


def test_a_table_is_left_out_whole() -> None:
    """Sums and numbers of rows by flow time belong together."""
    good, bad = torch.tensor([[2.0, 4.0], [0.0, 0.0]]), torch.tensor([[NAN, 8.0], [5.0, 1.0]])
    sums = tally(*({"flow_by_time": x} for x in (good, bad, good))).sum_up(ALONE)
    assert torch.equal(sums.losses["flow_by_time"].mean, good)


def test_what_only_some_steps_have_is_averaged_over_those_and_ranks_tell_their_own() -> None:
    sums = tally(losses(1.0), losses(3.0, agreement=0.25)).sum_up(ALONE, {"busy": 0.5, "data_wait": 0.1})
    assert sums.losses["agreement"].mean == 0.25
    assert sums.own_RV.tolist() == [[0.5, 0.1]]


def test_steps_before_and_after_a_stop_come_to_the_same_bits() -> None:
    torch.manual_seed(0)
    steps = [losses(*torch.rand(3).tolist()) for _ in range(20)]
    steps[4]["flow"], steps[4]["gradient_norm"] = torch.tensor(NAN), torch.tensor(NAN)
    whole = tally(*steps).sum_up(ALONE)
    for stop in (0, 1, 7, 20):
        saved: dict[str, Any] = json.loads(json.dumps(tally(*steps[:stop]).state(ALONE), allow_nan=False))
        later = Tally()
        later.load(saved)
        for step, values in enumerate(steps[stop:], stop + 1):
            later.add(step, values)
        again = later.sum_up(ALONE)
        assert {n: x.mean.item() for n, x in again.losses.items()} == {
            n: x.mean.item() for n, x in whole.losses.items()
        }
        assert (again.skipped, again.left_out) == (whole.skipped, whole.left_out) == ([5], 0)


def test_a_line_that_was_written_is_forgotten() -> None:
    filled = tally(losses(NAN, norm=NAN))
    filled.load(filled.state(ALONE))
    filled.clear()
    assert filled.state(ALONE) == {"losses": {}, "skipped": [], "left_out": 0}
