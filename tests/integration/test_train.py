"""Training for real, in small: it learns, resumes bit for bit, survives what goes wrong."""

import dataclasses
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import majolica
from majolica.config import io
from majolica.data.drawings.make import make_openmoji
from majolica.data.store.pack import write_shards
from majolica.data.store.record import Record
from majolica.errors import UserError
from majolica.eval.facts import read_log
from majolica.eval.report import CURVES
from majolica.launch.prepare import prepare
from majolica.launch.start import train
from majolica.recipes import recipe
from majolica.run import checkpoint
from majolica.sampling.pipeline import Pipeline
from majolica.train import loop, state
from majolica.train.watch import pace, summary
from tiny import tiny_run as tiny
from tiny import weights


def interrupt_after(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Press Ctrl-C in the middle of optimiser step `steps`."""
    real = loop.optimiser_step
    count = [0]

    def step(run):  # type: ignore[no-untyped-def]
        count[0] += 1
        if count[0] == steps:
            signal.raise_signal(signal.SIGINT)
        return real(run)

    monkeypatch.setattr(loop, "optimiser_step", step)


def test_resume_equals_the_uninterrupted_run(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tiny(shards)
    train(config, tmp_path / "whole")
    capsys.readouterr()
    with monkeypatch.context() as patch:
        interrupt_after(4, patch)
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
    train(tiny(Path("train"), steps=2), tmp_path)
    monkeypatch.chdir("/")
    config = io.load(tmp_path / "config.yaml")
    assert config.data.shards == str(shards)
    other = dataclasses.replace(config.train, steps=3, batch=4, accumulate=4)
    train(dataclasses.replace(config, train=other), tmp_path, resume=True)
    assert "trained so far with 8 rows x 2 micro-steps x 1 process" in capsys.readouterr().out
    assert json.loads((tmp_path / "summary.json").read_text())["step"] == 3
    state = json.loads((tmp_path / "checkpoints" / "00000003" / "state.json").read_text())
    assert state["shape"] == {"batch": 4, "accumulate": 4, "processes": 1}
    assert state["loader"]["position"] == 3 * 16


def test_a_damaged_checkpoint_is_passed_over(shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(tiny(shards), tmp_path)
    whole = weights(tmp_path, 6)
    victim = tmp_path / "checkpoints" / "00000006" / "ema.safetensors"
    data = bytearray(victim.read_bytes())
    data[-1] ^= 1
    victim.write_bytes(bytes(data))
    train(tiny(shards), tmp_path, resume=True)  # from step 3, to the same end
    assert "has changed since it was written" in capsys.readouterr().out
    again = weights(tmp_path, 6)
    assert all(torch.equal(whole[name], again[name]) for name in whole)


def test_no_whole_checkpoint_is_one_clear_line(shards: Path, tmp_path: Path) -> None:
    train(tiny(shards, steps=3), tmp_path)
    folder = tmp_path / "checkpoints" / "00000003"
    (folder / "optimizer.safetensors").write_bytes(b"not tensors")
    Pipeline.load(tmp_path)  # reads the averaged weights alone
    (folder / "ema.safetensors").write_bytes(b"not tensors")
    with pytest.raises(UserError, match="no checkpoint of"):
        Pipeline.load(tmp_path)


def test_what_fails_before_its_first_checkpoint_may_be_tried_again(shards: Path, tmp_path: Path) -> None:
    """No run is left that stands in the way and cannot be resumed, and no vocabulary of other captions."""
    many = tiny(shards)
    many = dataclasses.replace(many, train=dataclasses.replace(many.train, processes=4096))
    with pytest.raises(UserError, match="this machine has room for"):
        train(many, tmp_path)
    assert not (tmp_path / "config.yaml").exists() and not (tmp_path / "tokenizer.model").exists()
    train(tiny(shards, steps=3), tmp_path)
    (tmp_path / "checkpoints" / "00000003" / "model.safetensors").write_bytes(b"not tensors")
    with pytest.raises(UserError):
        train(tiny(shards), tmp_path, resume=True)
    assert (tmp_path / "config.yaml").exists()


def test_a_run_killed_before_its_first_checkpoint_begins_anew_by_resume(
    shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both ways lead somewhere: --out names --resume, and that trains what it would have trained."""
    config = tiny(shards, steps=3)
    prepare(config, tmp_path / "killed", resume=False)
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


def test_each_step_is_saved_once_and_what_comes_next_is_said(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    saves = []
    real = checkpoint.save
    monkeypatch.setattr(checkpoint, "save", lambda run, step, *rest: saves.append(step) or real(run, step, *rest))
    train(tiny(shards), tmp_path)
    assert saves == [3, 6]
    printed = capsys.readouterr().out
    assert f"majolica generate 'a red apple' --run {tmp_path}" in printed
    assert f"majolica eval {tmp_path}" in printed
    train(tiny(shards), tmp_path, resume=True)
    assert saves == [3, 6]
    printed = capsys.readouterr().out
    assert "is finished at step 6, nothing is left to train" in printed
    assert f"majolica train --resume {tmp_path} --train.steps 12" in printed


def test_a_tokenizer_of_no_run_is_neither_used_nor_overwritten(shards: Path, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.model").write_bytes(b"somebody's")
    with pytest.raises(UserError, match=r"tokenizer.model belongs to no run: move it away"):
        train(tiny(shards), tmp_path)
    assert (tmp_path / "tokenizer.model").read_bytes() == b"somebody's"


def test_a_full_disk_costs_the_summary_and_the_activation_plan_not_the_run(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(path: Path, content: bytes | str) -> None:
        raise UserError(f"cannot write {path}: No space left on device")

    config = tiny(shards, steps=2)
    config = dataclasses.replace(config, train=dataclasses.replace(config.train, activation_gb=0.0016))
    prepare(config, tmp_path, resume=False)
    for module in (state, summary):
        monkeypatch.setattr(module, "write_atomic", full)
    monkeypatch.setattr("majolica.launch.start.prepare", lambda config, out, resume: config)
    train(config, tmp_path, resume=True)
    said = "".join(capsys.readouterr())
    for name in ("summary.json", "activation_plan.json"):
        assert f"cannot write {tmp_path / name}: No space left on device" in said
    Pipeline.load(tmp_path)


@pytest.mark.parametrize("name", ["nano", "demo", pytest.param("art", marks=pytest.mark.slow)])
def test_the_recipes_for_drawings_train(name: str, tmp_path: Path) -> None:
    """With pictures of one or two things at twice the base resolution, as each recipe wants them."""
    config = recipe(name)
    side = config.model.resolution * config.loss.fine_scale
    make_openmoji(tmp_path / "set", 24, side, names=12, objects=2, heldout=4, combinations=4)
    data = dataclasses.replace(config.data, shards=str(tmp_path / "set" / "train"))
    optim = dataclasses.replace(config.optim, warmup=1)
    steps = dataclasses.replace(config.train, steps=3, batch=4, threads=1, log_every=1)
    train(dataclasses.replace(config, data=data, optim=optim, train=steps), tmp_path / "run")
    lines = read_log(tmp_path / "run")
    assert [line["step"] for line in lines] == [1, 2, 3]
    assert all(line["flow"] > 0 and line["contrastive"] > 0 and line["data_wait"] > 0 for line in lines)
    trained = {name for name in CURVES if not name.startswith("heldout/")}
    assert all(line.keys() >= trained for line in lines)  # what the report draws
    assert lines[-1].keys() >= CURVES.keys()
    painted = Pipeline.load(tmp_path / "run").paint(["a fox beside an owl"], size=side, steps=1)
    assert painted.shape == (1, 3, side, side)


def test_a_full_disk_costs_the_checkpoint_not_the_run(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    disk_full_at(3, monkeypatch)
    train(tiny(shards), tmp_path)
    assert "checkpoint 3 was not saved" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["00000006"]


def test_a_full_disk_at_the_end_is_no_success(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing later makes up for the last checkpoint: finished or interrupted, that is said, and what is left."""
    with monkeypatch.context() as patch:
        disk_full_at(6, patch)
        with pytest.raises(UserError, match=r"step 6, the last, was not saved: .*--resume .* goes on from step 3"):
            train(tiny(shards), tmp_path / "run")
    assert [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()] == ["00000003"]
    train(tiny(shards), tmp_path / "run", resume=True)
    Pipeline.load(tmp_path / "run")
    disk_full_at(2, monkeypatch)
    interrupt_after(2, monkeypatch)
    with pytest.raises(
        UserError, match=r"step 2, the last, was not saved: make room .*; then .*--resume .* begins again"
    ):
        train(tiny(shards), tmp_path / "other")
    assert "and saved" not in capsys.readouterr().out
    kept = {path.name for path in (tmp_path / "other").iterdir()}
    assert {"config.yaml", "tokenizer.model", "words.json", "log.jsonl"} <= kept


def disk_full_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """No room for the checkpoint of that step."""
    real = checkpoint.save_file

    def full(tensors, path):  # type: ignore[no-untyped-def]
        if f".{step:08d}." in str(path):
            raise OSError(28, "No space left on device")
        real(tensors, path)

    monkeypatch.setattr(checkpoint, "save_file", full)


def test_two_processes_train_one_model(shards: Path, tmp_path: Path) -> None:
    config = tiny(shards, steps=3)
    two = dataclasses.replace(config, train=dataclasses.replace(config.train, processes=2, batch=4))
    train(two, tmp_path)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["processes"] == 2 and summary["samples_seen"] == 3 * 2 * 2 * 4
    images = Pipeline.load(tmp_path).paint(["a fox", "an owl"], steps=2)
    assert images.shape == (2, 3, 16, 16)


def test_ctrl_c_in_a_terminal_saves_and_says_how_to_go_on(shards: Path, tmp_path: Path) -> None:
    """The terminal interrupts every process of the job at once, torchrun's too."""
    config = dataclasses.replace(tiny(shards), recipe="nano")
    job = dataclasses.replace(config.train, steps=100_000, processes=2, batch=4, checkpoint_every=100_000)
    io.save(dataclasses.replace(config, train=job), tmp_path / "c.yaml")
    out = tmp_path / "run"
    words = [sys.executable, "-m", "majolica", "train", str(tmp_path / "c.yaml"), "--out", str(out)]
    environment = {**os.environ, "PYTHONPATH": str(Path(majolica.__file__).parents[1])}
    said = subprocess.PIPE
    process = subprocess.Popen(words, env=environment, stdout=said, stderr=said, text=True, start_new_session=True)
    began = time.monotonic()
    while not (out / "log.jsonl").exists() and process.poll() is None and time.monotonic() - began < 180:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    printed, errors = process.communicate(timeout=180)
    assert process.returncode == 130, errors
    assert errors.splitlines()[-1] == f"majolica: interrupted; go on with: majolica train --resume {out}"
    [saved] = (out / "checkpoints").iterdir()
    assert f"stopped at step {int(saved.name)} and saved" in printed
    Pipeline.load(out)


def test_what_a_resume_changes_is_saved_and_what_it_refuses_leaves_the_run_as_it_was(
    shards: Path, tmp_path: Path
) -> None:
    run, config = tmp_path / "run", tiny(shards, steps=3)
    train(config, run)
    before = (run / "config.yaml").read_bytes()
    other = dataclasses.replace(config.model, width=64)
    with pytest.raises(UserError, match=r"model\.width is 32 in the saved run and 64 here"):
        train(dataclasses.replace(config, model=other), run, resume=True)
    with pytest.raises(UserError, match=r"train\.seed is 0 in the saved run and 7 here"):
        train(dataclasses.replace(config, train=dataclasses.replace(config.train, seed=7)), run, resume=True)
    assert (run / "config.yaml").read_bytes() == before
    train(dataclasses.replace(config, train=dataclasses.replace(config.train, steps=4)), run, resume=True)
    assert io.load(run / "config.yaml").train.steps == 4


def test_what_all_processes_refuse_is_said_once(shards: Path, tmp_path: Path) -> None:
    config = dataclasses.replace(tiny(shards, steps=3), recipe="nano")
    train(config, tmp_path / "run")
    before = (tmp_path / "run" / "config.yaml").read_bytes()
    write_shards(tmp_path / "other", [Record(b"p", "jpg", "a fox", {})] * 20, per_shard=20)
    words = [sys.executable, "-m", "majolica", "train", "--resume", str(tmp_path / "run")]
    words += ["--data.shards", str(tmp_path / "other")]
    environment = {**os.environ, "PYTHONPATH": str(Path(majolica.__file__).parents[1])}
    words += ["--train.processes", "2", "--train.batch", "4"]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 2
    assert done.stderr.count("are not those of the saved run") == 1
    assert (tmp_path / "run" / "config.yaml").read_bytes() == before


def test_the_log_tells_parts_times_and_ranks(shards: Path, tmp_path: Path) -> None:
    config = tiny(shards, steps=2)
    train(dataclasses.replace(config, train=dataclasses.replace(config.train, profile=2, steps=14)), tmp_path)
    last = json.loads((tmp_path / "log.jsonl").read_text().splitlines()[-1])
    for part in ("text_tower", "perception", "synthesis", "conditions", "decoder", "head"):
        assert last[f"gradient/{part}"] > 0 and last[f"update/{part}"] > 0
    assert -1 <= last["agreement"] <= 1 and last["memory_gb"] > 0.1
    assert any(name.startswith("flow/0.") for name in last)
    assert (tmp_path / "profile" / "rank0.json").stat().st_size > 0
    assert "aten::" in (tmp_path / "profile" / "rank0.txt").read_text()


def test_minutes_become_steps(shards: Path, tmp_path: Path) -> None:
    config = tiny(shards, steps=10_000)
    timed = dataclasses.replace(config, train=dataclasses.replace(config.train, minutes=0.02))
    train(timed, tmp_path)
    assert io.load(tmp_path / "config.yaml").train == timed.train  # what was asked for, whatever came of it
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["step"] == summary["steps"] < 10_000


def test_a_machine_that_slows_down_still_ends_in_time_and_its_schedule_reproduces_the_run(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ticks() -> Iterator[float]:
        now = 0.0
        for lap in itertools.count():
            yield now
            now += 1.0 if lap < 11 else 3.0
            yield now

    clock = ticks()
    config = tiny(shards, steps=10_000)
    timed = dataclasses.replace(config, train=dataclasses.replace(config.train, minutes=0.5))
    with monkeypatch.context() as patch:
        patch.setattr(pace, "EVERY", 5)
        patch.setattr(pace, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
        train(timed, tmp_path / "timed")
    plan = checkpoint.load(tmp_path / "timed")[0].state["plan"]
    steps = plan["steps"]
    assert plan["earlier"][0][1] == 30  # the first plan: a step a second
    assert steps < 22
    saved = io.load(tmp_path / "timed" / "config.yaml")
    again = dataclasses.replace(saved.train, schedule_from=str(tmp_path / "timed"))
    train(dataclasses.replace(saved, train=again), tmp_path / "again")
    first, again = weights(tmp_path / "timed", steps), weights(tmp_path / "again", steps)
    assert {name for name in first if not torch.equal(first[name], again[name])} == set()


def test_it_learns(shards: Path, tmp_path: Path) -> None:
    config = tiny(shards, steps=60)
    quick = dataclasses.replace(config, train=dataclasses.replace(config.train, log_every=5, checkpoint_every=100))
    train(quick, tmp_path)
    flow = [json.loads(line)["flow"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert flow[-1] < 0.7 * flow[0]


def test_compiled_blocks_train_the_same(shards: Path, tmp_path: Path) -> None:
    if not state.can_compile(torch.device("cpu")):
        pytest.skip("needs a C++ compiler")
    config = tiny(shards, steps=4)
    loss = dataclasses.replace(config.loss, fine_share=0.0)
    for name in ("eager", "compiled"):
        job = dataclasses.replace(config.train, compile=name == "compiled", log_every=1, accumulate=1)
        train(dataclasses.replace(config, loss=loss, train=job), tmp_path / name)
    eager, compiled = weights(tmp_path / "eager", 4), weights(tmp_path / "compiled", 4)
    assert max(float((eager[name] - compiled[name]).abs().max()) for name in eager) < 1e-4
    assert any(not torch.equal(eager[name], compiled[name]) for name in eager)  # or nothing was compiled


def test_without_a_compiler_training_goes_on(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(state.shutil, "which", lambda name: None)
    config = tiny(shards, steps=2)
    train(dataclasses.replace(config, train=dataclasses.replace(config.train, compile=True)), tmp_path)
    assert "no C++ compiler found: training without --train.compile" in capsys.readouterr().out
    assert checkpoint.load(tmp_path)[0].state["step"] == 2


def test_a_planned_run_learns_the_same_bits(shards: Path, tmp_path: Path) -> None:
    config = tiny(shards, steps=2)
    train(config, tmp_path / "whole")
    config = dataclasses.replace(config, train=dataclasses.replace(config.train, activation_gb=0.0016))
    train(config, tmp_path / "planned")
    plan = json.loads((tmp_path / "planned" / "activation_plan.json").read_text())
    assert "recompute" in {block["choice"] for block in plan["blocks"]}
    whole, planned = weights(tmp_path / "whole", 2), weights(tmp_path / "planned", 2)
    assert {name for name in whole if not torch.equal(whole[name], planned[name])} == set()


def test_a_process_that_fails_says_why_and_there_is_no_traceback(shards: Path, tmp_path: Path) -> None:
    config = dataclasses.replace(tiny(shards), recipe="nano")
    job = dataclasses.replace(config.train, processes=2, batch=4)
    io.save(dataclasses.replace(config, train=job), tmp_path / "c.yaml")
    words = [sys.executable, "-m", "majolica", "train", str(tmp_path / "c.yaml"), "--out", str(tmp_path / "run")]
    words += ["--data.shards", str(tmp_path / "broken")]
    (tmp_path / "broken").mkdir()
    for tar in sorted(shards.glob("*.tar")):  # captions can be read, pictures cannot
        data = bytearray(tar.read_bytes())
        for at in (found.start() for found in re.finditer(rb"\x89PNG|\xff\xd8\xff", bytes(data))):
            data[at + 4 : at + 60] = bytes(56)
        (tmp_path / "broken" / tar.name).write_bytes(data)
    environment = {**os.environ, "PYTHONPATH": str(Path(majolica.__file__).parents[1])}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr and "cannot be read" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("majolica: the training stopped early")
