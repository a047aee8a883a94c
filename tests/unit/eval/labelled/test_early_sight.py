"""How early a model that sees from a known time on is found to see."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from levels import NAMES, level
from majolica.errors import UserError
from majolica.eval.evaluators.early_sight import TIMES, WAYS, EarlySight
from majolica.eval.labelled.class_list import list_classes
from majolica.eval.labelled.source import open_labelled
from majolica.eval.protocol import EvalData, Split


def held_out(nothing: EvalData) -> EvalData:
    """Two things to a picture in the first three, of which the second can be seen."""
    ks = list(range(7))
    images = torch.tensor([level(k) for k in ks], dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 8, 8)
    metas = [{"names": [NAMES[6], NAMES[k]] if k < 3 else [NAMES[k]]} for k in ks]
    return replace(nothing, names=NAMES, heldout=Split(images.contiguous(), [NAMES[k] for k in ks], metas))


def test_labelled_pictures_are_seen_from_the_time_on_that_is_known(
    class_folders: Path, seer: Any, nothing: EvalData
) -> None:
    model = seer()
    pictures = open_labelled(class_folders, list_classes(NAMES), 8)
    result = EarlySight(pictures, seed=5, batch=9)(model, nothing)
    for way, first in (("noisy", 0.5), ("predicted", 0.3)):
        for t in TIMES:
            share = result.metrics[f"early_sight_{way}_t{t:g}"]
            assert share == pytest.approx(1 if t >= first else 1 / 7)
            low, high = result.intervals[f"early_sight_{way}_t{t:g}"]
            assert low <= share <= high
    assert len(model.noisy) == 4 * len(TIMES) * len(WAYS), "four batches, every time, two ways"
    assert {seeds for _, seeds, _ in model.noisy[:20]} == {tuple(range(5, 14))}, "one noise for a picture at all times"
    assert model.noisy[-1][1] == tuple(range(32, 33))
    assert "half of that from t = 0.5 on" in result.note and "half of that from t = 0.3 on" in result.note
    json.dumps(result.protocol)
    assert EarlySight(pictures, seed=5, batch=3)(seer(), nothing).protocol == result.protocol
    assert EarlySight(pictures, seed=6)(seer(), nothing).protocol != result.protocol


def test_held_out_renderings_and_either_of_two_things(seer: Any, nothing: EvalData) -> None:
    data = held_out(nothing)
    result = EarlySight(times=(0.1, 1.0), batch=3)(seer(), data)
    assert result.metrics["early_sight_noisy_t1"] == 1
    assert result.metrics["early_sight_noisy_t0.1"] == pytest.approx(1 / 7)
    few = EarlySight(times=(1.0,), limit=3)(seer(), data)
    assert few.protocol["pictures"] == 3


def test_what_is_lacking_is_said(seer: Any, nothing: EvalData) -> None:
    assert EarlySight().explain_lack(nothing) == "There are no held-out pictures of which it is known what they show."
    assert EarlySight().explain_lack(held_out(nothing)) == ""
    with pytest.raises(UserError, match="no held-out pictures to classify"):
        EarlySight()(seer(), replace(held_out(nothing), heldout=nothing.heldout))
