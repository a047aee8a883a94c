"""What is said of a trace is what it holds, also where the training ends before it is complete."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from majolica.config.training import TrainConfig
from majolica.distributed.group import Group
from majolica.train.watch.profile import WAIT, profile_steps

SHORT = f"no step was traced, because the training took no more than {WAIT + 1} steps here"
CASES = {
    0: SHORT,
    WAIT + 1: SHORT,
    WAIT + 3: "traced 2 steps of the 3 of --train.profile, because the training ended",
    WAIT + 4: "traced 3 steps: ",
    WAIT + 6: "traced 3 steps: ",
}


@pytest.mark.parametrize("steps", CASES)
def test_the_steps_that_were_traced_are_said(steps: int, tmp_path: Path) -> None:
    said: list[str] = []
    group = Group(0, 1, torch.device("cpu"))
    with profile_steps(TrainConfig(profile=3), tmp_path, group, said.append) as note_step:
        for _ in range(steps):
            torch.ones(2).add(1)
            note_step()
    assert len(said) == 1 and said[0].startswith(CASES[steps])
    assert (tmp_path / "profile" / "rank0.json").exists() == (steps > WAIT + 1)
