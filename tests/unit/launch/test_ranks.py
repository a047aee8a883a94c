"""What ranks have to agree on: the checkpoint from which they go on, and the evaluator that says what is best."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from majolica.config.run import RunConfig
from majolica.config.training import TrainConfig
from majolica.distributed.group import Group
from majolica.errors import UserError
from majolica.eval.protocol import Result
from majolica.launch import rank
from majolica.launch.evaluations import Evaluations


def test_ranks_that_find_different_checkpoints_do_not_train(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rank, "broadcast_number", lambda number, group: 2000)
    monkeypatch.setattr(rank, "any_rank", lambda flag, group: flag)
    group = Group(1, 2, torch.device("cpu"))
    rank.check_same_step(SimpleNamespace(step=2000, group=group, out=Path("run")))  # type: ignore[arg-type]
    with pytest.raises(UserError, match="the first rank goes on from step 2000, and another one found another newest"):
        rank.check_same_step(SimpleNamespace(step=1900, group=group, out=Path("run")))  # type: ignore[arg-type]


def test_a_metric_of_two_evaluators_chooses_no_best_checkpoint(tmp_path: Path) -> None:
    said: list[str] = []
    config = RunConfig(train=TrainConfig(best_metric="control_rho"))
    guard = SimpleNamespace(say_once=lambda key, line: said.append(line))
    own: Any = SimpleNamespace(metrics=set(), givers=set(), log=True, guard=guard)
    run: Any = SimpleNamespace(config=config, group=Group(0, 1, torch.device("cpu")), out=tmp_path)
    both = {name: Result("", {"control_rho": 0.9}) for name in ("control-brief", "control-deep")}
    Evaluations._keep_best(own, run, both)
    assert said == ["no best checkpoint is kept: control-brief and control-deep give control_rho; name one only"]
