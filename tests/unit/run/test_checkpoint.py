"""Checkpoints: at every moment one is whole, whatever ends the process; and what is the user's stays."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from majolica.errors import UserError
from majolica.lock import LOCK, hold_folder
from majolica.run import checkpoint
from majolica.run.checkpoint import Saved, load_checkpoint, save_checkpoint, sweep
from majolica.run.weights import checkpoints, latest, load_averaged, load_ema, step_of


def state(value: float) -> Saved:
    tensors = {stem: {"w": torch.full((3,), value)} for stem in ("model", "ema", "optimizer")}
    return Saved(tensors, {"value": value})


class Killed(BaseException):
    """The process ends here: nothing after it is done, no clean-up either."""


CHANGES = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate", "shutil.rmtree"}
_left: list[float] = []
"""Changes of the disk that are still allowed; empty where none is watched."""


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if not _left or event not in CHANGES:
        return
    if event == "open" and isinstance(args[2], int) and not args[2] & (os.O_WRONLY | os.O_RDWR):
        return
    _left[0] -= 1
    if _left[0] < 0:
        raise Killed


sys.addaudithook(_hook)


@contextlib.contextmanager
def killed_after(operations: float) -> Iterator[list[bool]]:
    """Allow so many changes of the disk, and then none."""
    survived: list[bool] = []
    _left.append(operations)
    try:
        yield survived
        survived.append(True)
    except Killed:
        pass
    finally:
        _left.clear()


@pytest.mark.parametrize("keep", [1, 2])
@pytest.mark.parametrize("before", [(2,), (2, 3), (1, 2, 3)], ids=str)
def test_killed_at_any_operation_a_whole_checkpoint_is_left(
    tmp_path: Path, keep: int, before: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A save of step 3: new, or in place of the one that is there."""
    real = checkpoint.save_file

    def save_file(tensors: Any, path: Path) -> None:
        open(path, "wb").close()  # Rust's own writing cannot be heard
        real(tensors, path)

    monkeypatch.setattr(checkpoint, "save_file", save_file)
    for operations in range(100):
        run = tmp_path / str(operations)
        for step in before:
            save_checkpoint(run, step, state(step), keep=9)
        with killed_after(operations) as survived:
            save_checkpoint(run, 3, state(33), keep)
        found, reasons = load_checkpoint(run)
        assert found.state["value"] in (max(before), 33) and reasons == []
        assert load_ema(run)["w"][0] == found.state["value"]
        # The next process goes on as if nothing had been.
        sweep(run)
        save_checkpoint(run, 3, state(34), keep)
        assert load_checkpoint(run)[0].state["value"] == 34
        assert len(list((run / "checkpoints").iterdir())) == min(keep, len({*before, 3}))
        if survived:
            break
    assert 7 <= operations < 99


def test_only_names_that_are_written_here_count_and_nothing_else_is_touched(tmp_path: Path) -> None:
    names = ["00000008-good", "00000099x", "9", "000000010", "backup", ".mine.tmp", ".00000001.tmp.bak", "٠٠٠٠٠٠٠٧"]
    for name in names:
        (tmp_path / "checkpoints" / name).mkdir(parents=True)
    (tmp_path / "checkpoints" / "00000007").write_text("a file")
    for step in (10, 20, 100_000_000):
        save_checkpoint(tmp_path, step, state(step), keep=1)
    sweep(tmp_path)
    assert [path.name for path in checkpoints(tmp_path)] == ["100000000"]
    left = {path.name for path in (tmp_path / "checkpoints").iterdir()}
    assert left == {*names, "00000007", "100000000"}
    assert latest(tmp_path)[0].name == "100000000"


def test_steps_are_ordered_as_numbers(tmp_path: Path) -> None:
    for step in (99_999_999, 100_000_000):
        save_checkpoint(tmp_path, step, state(step), keep=2)
    assert [step_of(path.name) for path in checkpoints(tmp_path)] == [100_000_000, 99_999_999]


def test_a_damaged_newer_checkpoint_does_not_cost_the_one_just_written(tmp_path: Path) -> None:
    """Keep one: the newest by number is damaged, was passed over, and training goes on below it."""
    save_checkpoint(tmp_path, 3, state(3), keep=2)
    save_checkpoint(tmp_path, 6, state(6), keep=2)
    (tmp_path / "checkpoints" / "00000006" / "model.safetensors").write_bytes(b"damaged")
    save_checkpoint(tmp_path, 4, state(4), keep=1)
    found, reasons = load_checkpoint(tmp_path)
    assert found.state["value"] == 4 and len(reasons) == 1


def test_what_a_killed_save_left_is_swept_also_that_of_earlier_versions(tmp_path: Path) -> None:
    for name in (".00000003.tmp", ".00000003.0a1b2c3d.tmp", ".00000003.replaced.0a1b2c3d.tmp"):
        (tmp_path / "checkpoints" / name).mkdir(parents=True)
    save_checkpoint(tmp_path, 5, state(5), keep=1)
    assert len(list((tmp_path / "checkpoints").glob(".*"))) == 3  # a save leaves another's alone
    sweep(tmp_path)
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["00000005"]


def test_what_was_left_beside_the_other_files_of_a_run_is_swept_but_not_that_of_an_evaluation(tmp_path: Path) -> None:
    (tmp_path / "samples").mkdir()
    for name in (".config.yaml.0123abcd.tmp", ".log.jsonl.0123abcd.tmp", "samples/.00000002.png.0123abcd.tmp"):
        (tmp_path / name).write_text("half")
    (tmp_path / ".metrics.json.0123abcd.tmp").write_text("being written")
    sweep(tmp_path)
    assert {path.name for path in tmp_path.rglob("*")} == {"samples", ".metrics.json.0123abcd.tmp"}


def test_a_checkpoint_that_a_training_deletes_meanwhile_is_no_damaged_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`generate` reads a run that is being trained: the checkpoint that it has found may go at any moment."""
    from majolica.run import weights

    save_checkpoint(tmp_path, 1, state(1), keep=1)
    real, step = weights.digest, [1]

    def digest(path: Path) -> str:
        if step[0] == 1:  # a training saves between the listing and the reading
            step[0] = 2
            save_checkpoint(tmp_path, 2, state(2), keep=1)
        return real(path)

    monkeypatch.setattr(weights, "digest", digest)
    assert load_ema(tmp_path)["w"][0] == 2


def test_a_run_without_a_checkpoint_says_how_to_train_it(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no checkpoint: train it first"):
        latest(tmp_path)
    (tmp_path / "config.yaml").write_text("recipe: nano\n")
    with (
        hold_folder(tmp_path),
        pytest.raises(UserError, match=f"yet: process {os.getpid()} on .* is training it; wait"),
    ):
        latest(tmp_path)
    (tmp_path / LOCK).write_text(json.dumps({"pid": 1, "host": platform.node(), "boot": "an earlier one"}))
    with pytest.raises(UserError, match=rf"holds no checkpoint yet: `majolica train --resume {tmp_path}` trains it"):
        latest(tmp_path)


def test_a_file_that_holds_no_weights_says_what_to_name(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("recipe: nano\n")
    with pytest.raises(UserError, match=r"config\.yaml cannot be loaded as weights \(.*\): name a run folder, one of"):
        load_averaged(tmp_path / "config.yaml")
