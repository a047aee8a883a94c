"""The best checkpoint is kept whole, whatever becomes of the others."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from majolica.errors import UserError
from majolica.run.best import Best, find_best, keep_best
from majolica.run.checkpoint import Saved, save_checkpoint
from majolica.run.weights import load_averaged


def write(run: Path, step: int, keep: int = 3) -> None:
    save_checkpoint(
        run,
        step,
        Saved(
            {"ema": {"w": torch.full((2,), float(step))}},
            {"step": step},
        ),
        keep,
    )


def test_it_stays_when_training_drops_it(tmp_path: Path) -> None:
    write(tmp_path, 1)
    keep_best(tmp_path, 1, "fd", 3.5)
    write(tmp_path, 2, keep=1)
    assert not (tmp_path / "checkpoints" / "00000001").exists()
    assert find_best(tmp_path) == Best(1, "fd", 3.5)
    assert load_averaged(tmp_path / "best" / "00000001").tensors["w"][0] == 1


def test_a_better_one_takes_its_place(tmp_path: Path) -> None:
    for step in (1, 2):
        write(tmp_path, step)
        keep_best(tmp_path, step, "fd", 4.0 - step)
    assert sorted(path.name for path in (tmp_path / "best").iterdir()) == ["00000002", "best.json"]
    assert find_best(tmp_path) == Best(2, "fd", 2.0)


def test_the_same_step_again_replaces_it(tmp_path: Path) -> None:
    write(tmp_path, 1)
    keep_best(tmp_path, 1, "fd", 3.0)
    keep_best(tmp_path, 1, "fd", 2.0)
    assert find_best(tmp_path) == Best(1, "fd", 2.0)
    assert [path.name for path in (tmp_path / "best").iterdir() if path.is_dir()] == ["00000001"]


def test_what_an_interruption_left_is_swept(tmp_path: Path) -> None:
    write(tmp_path, 1)
    (tmp_path / "best" / ".00000001.new.tmp").mkdir(parents=True)
    (tmp_path / "best" / ".00000001.new.tmp" / "half").touch()
    keep_best(tmp_path, 1, "fd", 3.0)
    assert not list((tmp_path / "best").glob(".*"))


def test_a_file_that_is_none(tmp_path: Path) -> None:
    assert find_best(tmp_path) is None
    (tmp_path / "best").mkdir()
    (tmp_path / "best" / "best.json").write_text("{")
    with pytest.raises(UserError, match=r"cannot read .*best\.json.*move .*best away"):
        find_best(tmp_path)
    shutil.rmtree(tmp_path / "best")
