"""Two and four gloo processes against one: the same rows, losses and weights; sharded and not; saved and resumed."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rank_runs import GLOBAL_BATCH, config_for, different, largest, mean_losses, run_ranks, saved
from ranks import changed


@pytest.fixture(scope="module")
def one(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Three steps of one process."""
    [answer] = run_ranks(config_for(shards, 1), tmp_path_factory.mktemp("one"), 3)
    return answer


@pytest.mark.parametrize("world", [2, 4])
def test_ranks_train_as_one_process_does(shards: Path, tmp_path: Path, one: dict[str, Any], world: int) -> None:
    many = run_ranks(config_for(shards, world), tmp_path, 3)
    rows = {position: row for answer in many for position, row in answer["rows"].items()}
    assert rows.keys() == one["rows"].keys() and len(rows) == 3 * 2 * GLOBAL_BATCH
    assert {position for position, row in rows.items() if different(row, one["rows"][position])} == set()
    for answer in many[1:]:
        assert different(answer["weights"], many[0]["weights"]) == set()
    for name in ("loss", "flow", "fine", "contrastive"):
        np.testing.assert_allclose(mean_losses(many, name), mean_losses([one], name), rtol=1e-5)
    # Sums of float32 in another order; Adam's first steps divide a gradient by its own size.
    assert largest(one["weights"], many[0]["weights"]) < 1e-4


def test_a_rank_may_have_no_clean_rows_and_another_no_noisy_ones(shards: Path, tmp_path: Path) -> None:
    """Of two rows one is clean; the ranks have one row each."""
    config = changed(config_for(shards, 1), batch=2, accumulate=2)
    config = dataclasses.replace(config, loss=dataclasses.replace(config.loss, clean_share=0.5, clean_share_end=0.5))
    [alone] = run_ranks(config, tmp_path / "one", 2)
    many = run_ranks(changed(config, batch=1, processes=2), tmp_path / "two", 2)
    np.testing.assert_allclose(mean_losses(many, "loss"), mean_losses([alone], "loss"), rtol=1e-5)
    assert largest(alone["weights"], many[0]["weights"]) < 1e-4


def test_one_micro_step_a_step_trains_alike(shards: Path, tmp_path: Path) -> None:
    """Without `no_sync`: where a static graph would be legal, and gives other gradients (docs/adr/041)."""
    [alone] = run_ranks(config_for(shards, 1, accumulate=1), tmp_path / "one", 3)
    many = run_ranks(config_for(shards, 2, accumulate=1), tmp_path / "two", 3)
    np.testing.assert_allclose(mean_losses(many, "loss"), mean_losses([alone], "loss"), rtol=1e-5)
    assert largest(alone["weights"], many[0]["weights"]) < 1e-4


def test_zero_is_bit_equal_and_halves_what_a_rank_holds(shards: Path, tmp_path: Path) -> None:
    whole = run_ranks(config_for(shards, 2), tmp_path / "whole", 3)
    parts = run_ranks(config_for(shards, 2, shard_optimizer=True, ema_device="cpu"), tmp_path / "parts", 3)
    for a, b in zip(whole, parts, strict=True):
        assert different(a["weights"], b["weights"]) == set()
    assert different(saved(tmp_path / "whole"), saved(tmp_path / "parts")) == set()
    held = [answer["held"] for answer in parts]
    assert sum(held) == whole[0]["held"] and max(held) < 0.6 * whole[0]["held"]


@pytest.mark.parametrize(("world", "sharded"), [(1, True), pytest.param(4, False, marks=pytest.mark.slow), (4, True)])
def test_a_run_goes_on_with_another_number_of_ranks(
    shards: Path, tmp_path: Path, one: dict[str, Any], world: int, sharded: bool
) -> None:
    first = config_for(shards, 2, shard_optimizer=not sharded)
    run_ranks(first, tmp_path, 2)
    before = saved(tmp_path)
    other = config_for(shards, world, shard_optimizer=sharded)
    run_ranks(other, tmp_path, 0, resume=True)  # loads and saves again
    assert different(before, saved(tmp_path)) == set()
    resumed = run_ranks(other, tmp_path, 1, resume=True)
    np.testing.assert_allclose(mean_losses(resumed, "loss"), mean_losses([one], "loss")[2:], rtol=1e-5)
    assert largest(one["weights"], resumed[0]["weights"]) < 1e-4
