"""Going on with a run: bit for bit where it stopped, elsewhere, from a damaged checkpoint or from none."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch

from majolica.config.io import load_config
from majolica.errors import UserError
from majolica.launch.prepare import prepare_run
from majolica.launch.start import train
from majolica.sampling.pipeline import Pipeline
from mishaps import interrupt_in
from tiny import tiny_run, weights


def test_resume_equals_the_uninterrupted_run(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tiny_run(shards)
    train(config, tmp_path / "whole")
    capsys.readouterr()
    with monkeypatch.context() as patch:
        interrupt_in(4, patch)
        with pytest.raises(KeyboardInterrupt, match=f"^go on with: majolica train --resume {tmp_path / 'parts'}$"):
            train(config, tmp_path / "parts")
    assert capsys.readouterr().out == "\nstopped at step 4 and saved\n"  # how to go on is said once
    train(config, tmp_path / "parts", resume=True)
    whole, parts = weights(tmp_path / "whole", 6), weights(tmp_path / "parts", 6)
    assert whole.keys() == parts.keys()
    assert {name for name in whole if not torch.equal(whole[name], parts[name])} == set()
    steps = [json.loads(line)["step"] for line in (tmp_path / "parts" / "log.jsonl").read_text().splitlines()]
    assert steps == [2, 4, 6]


def test_a_run_goes_on_from_another_folder_and_says_what_another_shape_means(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(shards.parent)
    train(tiny_run(Path("train"), steps=2), tmp_path)
    monkeypatch.chdir("/")
    config = load_config(tmp_path / "config.yaml")
    assert config.data.shards == str(shards)
    other = dataclasses.replace(config.train, steps=3, batch=4, accumulate=4)
    train(dataclasses.replace(config, train=other), tmp_path, resume=True)
    assert "trained so far with 8 rows x 2 micro-steps x 1 process" in capsys.readouterr().out
    assert json.loads((tmp_path / "summary.json").read_text())["step"] == 3
    state = json.loads((tmp_path / "checkpoints" / "00000003" / "state.json").read_text())
    assert state["shape"] == {"batch": 4, "accumulate": 4, "processes": 1}
    assert state["loader"]["position"] == 3 * 16


def test_what_a_resume_changes_is_saved_and_what_it_refuses_leaves_the_run_as_it_was(
    shards: Path, tmp_path: Path
) -> None:
    run, config = tmp_path / "run", tiny_run(shards, steps=3)
    train(config, run)
    before = (run / "config.yaml").read_bytes()
    other = dataclasses.replace(config.model, width=64)
    with pytest.raises(UserError, match=r"model\.width is 32 in the saved run and 64 here"):
        train(dataclasses.replace(config, model=other), run, resume=True)
    with pytest.raises(UserError, match=r"train\.seed is 0 in the saved run and 7 here"):
        train(dataclasses.replace(config, train=dataclasses.replace(config.train, seed=7)), run, resume=True)
    assert (run / "config.yaml").read_bytes() == before
    train(dataclasses.replace(config, train=dataclasses.replace(config.train, steps=4)), run, resume=True)
    assert load_config(run / "config.yaml").train.steps == 4


def test_a_damaged_checkpoint_is_passed_over(shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(tiny_run(shards), tmp_path)
    whole = weights(tmp_path, 6)
    victim = tmp_path / "checkpoints" / "00000006" / "ema.safetensors"
    data = bytearray(victim.read_bytes())
    data[-1] ^= 1
    victim.write_bytes(bytes(data))
    train(tiny_run(shards), tmp_path, resume=True)  # from step 3, to the same end
    assert "has changed since it was written" in capsys.readouterr().out
    again = weights(tmp_path, 6)
    assert all(torch.equal(whole[name], again[name]) for name in whole)


def test_no_whole_checkpoint_is_one_clear_line(shards: Path, tmp_path: Path) -> None:
    train(tiny_run(shards, steps=3), tmp_path)
    folder = tmp_path / "checkpoints" / "00000003"
    (folder / "optimizer.safetensors").write_bytes(b"not tensors")
    Pipeline.load(tmp_path)  # reads the averaged weights alone
    (folder / "ema.safetensors").write_bytes(b"not tensors")
    with pytest.raises(UserError, match="no checkpoint of"):
        Pipeline.load(tmp_path)


def test_a_run_killed_before_its_first_checkpoint_begins_anew_by_resume(
    shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both ways lead somewhere: --out names --resume, and that trains what it would have trained."""
    config = tiny_run(shards, steps=3)
    prepare_run(config, tmp_path / "killed", resume=False)
    (tmp_path / "killed" / "log.jsonl").write_text('{"step": 2, "flow": 1.0}\n')
    with pytest.raises(UserError, match=f"already holds a run: go on with `--resume {tmp_path / 'killed'}`"):
        train(config, tmp_path / "killed")
    train(config, tmp_path / "killed", resume=True)
    assert "holds no checkpoint yet: it begins at step 0" in capsys.readouterr().out
    train(config, tmp_path / "whole")
    whole, again = weights(tmp_path / "whole", 3), weights(tmp_path / "killed", 3)
    assert {name for name in whole if not torch.equal(whole[name], again[name])} == set()
    lines = [(tmp_path / run / "log.jsonl").read_text().count("\n") for run in ("whole", "killed")]
    assert lines[0] == lines[1]


def test_what_fails_before_its_first_checkpoint_may_be_tried_again(shards: Path, tmp_path: Path) -> None:
    """No run is left that stands in the way and cannot be resumed, and no vocabulary of other captions."""
    many = tiny_run(shards)
    many = dataclasses.replace(many, train=dataclasses.replace(many.train, processes=4096))
    with pytest.raises(UserError, match="this machine has room for"):
        train(many, tmp_path)
    assert not (tmp_path / "config.yaml").exists() and not (tmp_path / "tokenizer.model").exists()
    train(tiny_run(shards, steps=3), tmp_path)
    (tmp_path / "checkpoints" / "00000003" / "model.safetensors").write_bytes(b"not tensors")
    with pytest.raises(UserError):
        train(tiny_run(shards), tmp_path, resume=True)
    assert (tmp_path / "config.yaml").exists()


def test_a_tokenizer_of_no_run_is_neither_used_nor_overwritten(shards: Path, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.model").write_bytes(b"somebody's")
    with pytest.raises(UserError, match=r"tokenizer.model belongs to no run: move it away"):
        train(tiny_run(shards), tmp_path)
    assert (tmp_path / "tokenizer.model").read_bytes() == b"somebody's"
