"""Training for real, in small: it learns, as each recipe for drawings does, and says and logs what comes of it."""

import dataclasses
import json
import os
import re
from pathlib import Path

import pytest

from majolica.config.resolutions import trained_sizes
from majolica.data.drawings.make import make_openmoji
from majolica.data.store.shards import ShardSet
from majolica.eval.facts import read_log
from majolica.eval.report import CURVES
from majolica.launch.start import train
from majolica.recipes import recipe
from majolica.sampling.pipeline import Pipeline
from majolica.train import state
from tiny import tiny_run


def test_it_learns(shards: Path, tmp_path: Path) -> None:
    config = tiny_run(shards, steps=60)
    quick = dataclasses.replace(config, train=dataclasses.replace(config.train, log_every=5, checkpoint_every=100))
    train(quick, tmp_path)
    flow = [json.loads(line)["flow"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert flow[-1] < 0.7 * flow[0]


@pytest.mark.parametrize("name", ["nano", "demo", pytest.param("art", marks=pytest.mark.slow)])
def test_the_recipes_for_drawings_train(name: str, tmp_path: Path) -> None:
    """With pictures of one or two things at twice the base resolution, as each recipe wants them."""
    config = recipe(name)
    side = trained_sizes(config)[-1]
    make_openmoji(tmp_path / "set", 24, side, names=12, objects=2, heldout=4, combinations=4)
    data = dataclasses.replace(config.data, shards=str(tmp_path / "set" / "train"))
    optim = dataclasses.replace(config.optim, warmup=1)
    steps = dataclasses.replace(config.train, steps=3, batch=4, threads=1, log_every=1)
    train(dataclasses.replace(config, data=data, optim=optim, train=steps), tmp_path / "run")
    lines = read_log(tmp_path / "run")
    assert [line["step"] for line in lines] == [1, 2, 3]
    assert all(line["flow"] > 0 and line["contrastive"] > 0 and line["data_wait"] > 0 for line in lines)
    drawn = CURVES.keys() - {"consistency"}  # which no recipe weighs
    trained = {name for name in drawn if not name.startswith("heldout/")}
    assert all(line.keys() >= trained for line in lines)  # what the report draws
    assert lines[-1].keys() >= drawn
    painted = Pipeline.load(tmp_path / "run").paint(["a fox beside an owl"], size=side, steps=1)
    assert painted.shape == (1, 3, side, side)


def test_two_processes_train_one_model(shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The ranks leave without Python's shutdown, during which a thread of gloo may abort them.
    site, shut_down = tmp_path / "site", tmp_path / "shut_down"
    site.mkdir()
    register = f"if 'majolica.launch.worker' in sys.orig_argv: atexit.register(open, {str(shut_down)!r}, 'w')"
    (site / "sitecustomize.py").write_text(f"import atexit, sys\n{register}\n")
    monkeypatch.setenv("PYTHONPATH", f"{site}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    config = tiny_run(shards, steps=3)
    two = dataclasses.replace(config, train=dataclasses.replace(config.train, processes=2, batch=4))
    train(two, tmp_path)
    assert not shut_down.exists()
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["processes"] == 2 and summary["samples_seen"] == 3 * 2 * 2 * 4
    images = Pipeline.load(tmp_path).paint(["a fox", "an owl"], steps=2)
    assert images.shape == (2, 3, 16, 16)


def test_the_log_tells_parts_times_and_ranks(shards: Path, tmp_path: Path) -> None:
    config = tiny_run(shards, steps=2)
    train(dataclasses.replace(config, train=dataclasses.replace(config.train, profile=2, steps=14)), tmp_path)
    last = json.loads((tmp_path / "log.jsonl").read_text().splitlines()[-1])
    for part in ("text_tower", "perception", "synthesis", "conditions", "decoder", "head"):
        assert last[f"gradient/{part}"] > 0 and last[f"update/{part}"] > 0
    assert -1 <= last["agreement"] <= 1 and last["memory_gb"] > 0.1
    assert any(name.startswith("flow/0.") for name in last)
    assert (tmp_path / "profile" / "rank0.json").stat().st_size > 0
    assert "aten::" in (tmp_path / "profile" / "rank0.txt").read_text()


def test_each_step_is_saved_once_and_what_comes_next_is_said(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    saves = []
    real = state.save_checkpoint
    monkeypatch.setattr(state, "save_checkpoint", lambda run, step, *rest: saves.append(step) or real(run, step, *rest))
    train(tiny_run(shards), tmp_path)
    assert saves == [3, 6]
    printed = capsys.readouterr().out
    proposed = re.search(f"majolica generate '(.+)' --run {tmp_path}", printed)
    with ShardSet(shards) as read:
        assert proposed and proposed[1] in {read.caption(i) for i in range(len(read))}
    assert f"majolica eval {tmp_path}" in printed
    train(tiny_run(shards), tmp_path, resume=True)
    assert saves == [3, 6]
    printed = capsys.readouterr().out
    assert "is finished at step 6, nothing is left to train" in printed
    assert f"majolica train --resume {tmp_path} --train.steps 12" in printed
