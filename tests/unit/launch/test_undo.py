"""A start that fails before anything is trained leaves the folder as it was; one that fails later keeps all."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from majolica.config.io import save_config
from majolica.data.store.pack import write_shards
from majolica.data.store.record import Record
from majolica.errors import UserError
from majolica.launch import prepare
from majolica.launch.start import train
from majolica.launch.undo import undo_failed_start
from tiny import tiny_run


def found(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def start(out: Path, error: BaseException, *, log: str = "", prepared: bool = True) -> None:
    """A start that writes what training writes, and then fails."""
    with undo_failed_start(out):
        for name in ("words.json", "tokenizer.model", *(["config.yaml"] if prepared else [])):
            (out / name).write_text("made")
        (out / "samples").mkdir(exist_ok=True)
        (out / "samples" / "00000001.png").write_text("a grid")
        (out / "tensorboard").mkdir()
        (out / "tensorboard" / "events").write_text("numbers")
        (out / "log.jsonl").write_text(log)
        raise error


@pytest.mark.parametrize("error", [UserError("no room"), RuntimeError("out of memory")])
def test_what_the_start_found_is_what_it_leaves(tmp_path: Path, error: Exception) -> None:
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples" / "prompts.txt").write_text("a fox\n")
    (tmp_path / "notes.txt").write_text("the user's")
    with pytest.raises(type(error)):
        start(tmp_path, error)
    assert found(tmp_path) == {"samples", "samples/prompts.txt", "notes.txt"}


def test_once_there_is_a_line_of_the_log_all_is_kept(tmp_path: Path) -> None:
    with pytest.raises(UserError):
        start(tmp_path, UserError("the gradients are not finite"), log='{"step": 2}\n')
    assert {"config.yaml", "tokenizer.model", "words.json", "log.jsonl", "samples/00000001.png"} <= found(tmp_path)


def test_once_there_is_a_checkpoint_all_is_kept(tmp_path: Path) -> None:
    with pytest.raises(UserError), undo_failed_start(tmp_path):
        (tmp_path / "checkpoints" / "00000003").mkdir(parents=True)
        raise UserError("no room for the next")
    assert found(tmp_path) == {"checkpoints", "checkpoints/00000003"}


def test_an_interrupted_preparation_leaves_nothing_and_an_interrupted_training_what_resume_begins_with(
    tmp_path: Path,
) -> None:
    for name, prepared in (("half", False), ("whole", True)):
        (tmp_path / name).mkdir()
        with pytest.raises(KeyboardInterrupt):
            start(tmp_path / name, KeyboardInterrupt(), prepared=prepared)
    assert found(tmp_path / "half") == set()
    assert "config.yaml" in found(tmp_path / "whole")


def refuse(config: Any, path: Path) -> None:
    """A disk that has just room for the vocabulary."""
    assert (path.parent / "words.json").exists() and (path.parent / "tokenizer.model").exists()
    raise UserError(f"cannot write {path}: No space left on device")


@pytest.mark.parametrize("by", ["train", "prepare"])
def test_a_disk_too_small_for_the_configuration_keeps_nothing_of_the_vocabulary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], by: str
) -> None:
    write_shards(tmp_path / "in", (Record(b"p", "jpg", f"a fox number {n}", {}) for n in range(50)), per_shard=50)
    config = tiny_run(tmp_path / "in")
    model = dataclasses.replace(config.model, properties=())  # these are no pictures
    config = dataclasses.replace(config, recipe="nano", model=model)
    save_config(config, tmp_path / "c.yaml")
    monkeypatch.setattr(prepare, "save_config", refuse)
    if by == "train":
        with pytest.raises(UserError, match="No space left on device"):
            train(config, tmp_path / "run")
    else:
        assert prepare.main([str(tmp_path / "c.yaml"), str(tmp_path / "run")]) == 2
        assert "No space left on device" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
