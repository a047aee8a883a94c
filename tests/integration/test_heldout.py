"""Held-out losses are the same on any number of ranks, also where these share the averaged weights."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from majolica.config.run import RunConfig
from majolica.distributed.group import Group
from majolica.launch.prepare import prepare_run
from majolica.train import state
from majolica.train.watch.heldout import HeldOut
from ranks import changed, on_ranks
from tiny import awake, tiny_run


def measured(group: Group, config: RunConfig, out: Path) -> dict[str, float]:
    run = state.build_run(config, out, group)
    awake(run.model)
    weights = dict(run.model.named_parameters())
    for name, value in run.ema.average.items():
        value.copy_(weights[name].detach())
    found: dict[str, float] = {}
    log: Any = SimpleNamespace(say=print, add=lambda step, values: found.update(values)) if group.first else None
    try:
        HeldOut(run, log)(run)
    finally:
        run.feed.close()
    return found


def test_held_out_losses_are_the_same_on_any_number_of_ranks(shards: Path, tmp_path: Path) -> None:
    found = []
    for world in (1, 2):
        config = changed(
            tiny_run(shards), processes=world, batch=8 // world, shard_optimizer=world > 1, heldout_every=1
        )
        prepare_run(config, tmp_path / f"run-{world}", resume=False)
        answers = on_ranks(world, measured, tmp_path / f"ranks-{world}", config, tmp_path / f"run-{world}")
        assert all(answer == {} for answer in answers[1:])
        found.append(answers[0])
    assert found[0] == found[1] and found[0]["heldout/flow"] > 0 and "heldout/zero_shot_top1" in found[0]
