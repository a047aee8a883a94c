"""Compiled blocks and planned activations cost or save time and memory, and learn the same."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch

from majolica.launch.start import train
from majolica.run import checkpoint
from majolica.train import network
from tiny import tiny_run, weights


@pytest.mark.parametrize("processes", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_compiled_blocks_train_the_same(processes: int, shards: Path, tmp_path: Path) -> None:
    """Also where DDP wraps the network, and where the number of noisy rows changes from step to step."""
    if not network.can_compile(torch.device("cpu")):
        pytest.skip("needs a C++ compiler")
    config = tiny_run(shards, steps=4)
    loss = dataclasses.replace(config.loss, fine_share=0.0)
    for name in ("eager", "compiled"):
        job = dataclasses.replace(
            config.train, processes=processes, compile=name == "compiled", log_every=1, accumulate=1
        )
        train(dataclasses.replace(config, loss=loss, train=job), tmp_path / name)
    eager, compiled = weights(tmp_path / "eager", 4), weights(tmp_path / "compiled", 4)
    assert max(float((eager[name] - compiled[name]).abs().max()) for name in eager) < 1e-4
    assert any(not torch.equal(eager[name], compiled[name]) for name in eager)  # or nothing was compiled


def test_without_a_compiler_training_goes_on(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(network.shutil, "which", lambda name: None)
    config = tiny_run(shards, steps=2)
    train(dataclasses.replace(config, train=dataclasses.replace(config.train, compile=True)), tmp_path)
    assert "no C++ compiler found: training without --train.compile" in capsys.readouterr().out
    assert checkpoint.load_checkpoint(tmp_path)[0].state["step"] == 2


def test_a_planned_run_learns_the_same_bits(shards: Path, tmp_path: Path) -> None:
    config = tiny_run(shards, steps=2)
    train(config, tmp_path / "whole")
    config = dataclasses.replace(config, train=dataclasses.replace(config.train, activation_gb=0.0016))
    train(config, tmp_path / "planned")
    plan = json.loads((tmp_path / "planned" / "activation_plan.json").read_text())
    assert "recompute" in {block["choice"] for block in plan["blocks"]}
    whole, planned = weights(tmp_path / "whole", 2), weights(tmp_path / "planned", 2)
    assert {name for name in whole if not torch.equal(whole[name], planned[name])} == set()
