"""Held-out losses: what is measured, on which pictures, and that nothing of it touches the training."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import simplejpeg
import torch
from torch.nn import functional as F

from majolica.config.data import DataConfig, SourceConfig
from majolica.config.io import load_config
from majolica.config.run import RunConfig
from majolica.config.split import RowSplit
from majolica.data.counter import mix
from majolica.data.loading.held_out import find_held_out
from majolica.data.store.pack import write_shards
from majolica.data.store.record import Record
from majolica.distributed.group import Group
from majolica.eval.facts import read_log
from majolica.launch.prepare import prepare_run
from majolica.launch.start import train
from majolica.objectives.draws import Draws
from majolica.objectives.joint import make_rows
from majolica.objectives.objective import Objective, Others, clean_pairs
from majolica.run.step_plan import StepPlan
from majolica.train import state
from majolica.train.watch import heldout
from majolica.train.watch.heldout import HeldOut, HeldOutPictures, measure_heldout, read_heldout, zero_shot
from ranks import changed
from tiny import awake, tiny_run, weights

NAMES = ("fox", "owl", "dolphin")
ONE = Group(0, 1, torch.device("cpu"))


def write(folder: Path, count: int, names: bool = True) -> Path:
    rng = np.random.default_rng(len(folder.name))

    def records() -> Any:
        for i in range(count):
            jpeg = simplejpeg.encode_jpeg(rng.integers(0, 255, (24, 24, 3), np.uint8))
            yield Record(jpeg, "jpg", f"a {NAMES[i % 3]}", {"names": [NAMES[i % 3]]} if names else {})

    write_shards(folder, records(), per_shard=50)
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("set")
    write(home / "train", 24)
    write(home / "heldout", 11)
    (home / "names.json").write_text(json.dumps(NAMES))
    return home


@pytest.fixture
def config(home: Path) -> RunConfig:
    return changed(tiny_run(home / "train", steps=4), heldout_pictures=9)


@pytest.fixture
def run(config: RunConfig, tmp_path: Path) -> Any:
    prepare_run(changed(config, heldout_every=2, heldout_share=1.0), tmp_path, resume=False)
    run = state.build_run(load_config(tmp_path / "config.yaml"), tmp_path, ONE)
    awake(run.model)
    yield run
    run.feed.close()


def test_it_changes_nothing_that_is_learned_and_stands_in_the_log(config: RunConfig, tmp_path: Path) -> None:
    train(config, tmp_path / "without")
    train(changed(config, heldout_every=1, heldout_share=1.0), tmp_path / "with")
    without, found = weights(tmp_path / "without", 4), weights(tmp_path / "with", 4)
    assert without.keys() == found.keys()
    assert {name for name in without if not torch.equal(without[name], found[name])} == set()
    rows = read_log(tmp_path / "with")
    assert [row["step"] for row in rows] == [1, 2, 3, 4]
    for row in rows:
        assert {"heldout/flow", "heldout/contrastive", "heldout/caption_top1", "heldout/zero_shot_top1"} <= row.keys()
        assert any(name.startswith("heldout/flow/") for name in row)
    blind = read_log(tmp_path / "without")
    same = ("step", "loss", "flow", "contrastive", "samples", "gradient_norm")
    assert [[row[name] for name in same] for row in blind] == [[row[name] for name in same] for row in rows[1::2]]


def test_it_is_what_the_training_would_make_of_these_rows(run: state.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the objective of the training, in one piece; however the pictures are cut into pieces."""
    pictures = read_heldout(find_held_out(run.config.data), run.config, run.tokenizer)
    assert len(pictures) == 9 and pictures.names == list(NAMES) and set().union(*pictures.shown) == {0, 1, 2}
    cpu, config = torch.device("cpu"), run.config
    found = measure_heldout(run.model, pictures, config, run.tokenizer, cpu)
    seeds = (mix(config.train.seed, heldout.STREAM, np.arange(18)) >> np.uint64(1)).tolist()
    images = pictures.images_N3HW.repeat(2, 1, 1, 1).float() / 255
    tokens = pictures.tokens_NL.repeat(2, 1)
    draws = Draws.seeded(seeds)
    rows, targets = make_rows(images, {}, tokens, config.loss, config.model, 9, draws)
    with torch.no_grad():
        outputs = run.model(rows)
    clean = clean_pairs(outputs, targets)
    objective = Objective(config.loss, RowSplit(18, 9, 0), 1, "fp32")
    losses = objective.compute_losses(run.model, outputs, rows, targets, Others.none(clean))
    assert found["flow"] == pytest.approx(losses["flow"].item(), rel=1e-5)
    assert found["contrastive"] == pytest.approx(losses["contrastive"].item(), rel=1e-5)
    nearest = (clean.image_BE @ clean.text_BE.T).argmax(1).tolist()
    right = [pictures.shown[i] == pictures.shown[j] for i, j in enumerate(nearest)]  # the caption is the name
    assert found["caption_top1"] == pytest.approx(sum(right) / 9)
    by_time = {name: value for name, value in found.items() if name.startswith("flow/")}
    assert by_time and min(by_time.values()) <= found["flow"] <= max(by_time.values())
    monkeypatch.setattr(heldout, "CHUNK", 4)
    again = measure_heldout(run.model, pictures, config, run.tokenizer, cpu)
    assert again == pytest.approx(found, rel=1e-4)


def test_it_measures_the_averaged_weights_and_gives_the_others_back(run: state.Run) -> None:
    logged: list[dict[str, float]] = []
    log: Any = SimpleNamespace(say=lambda line: None, add=lambda step, values: logged.append(values))
    look = HeldOut(run, log)
    look(run)
    before = {name: value.clone() for name, value in run.model.named_parameters()}
    with torch.no_grad():
        for value in run.model.parameters():
            value.add_(1)
    look(run)
    assert logged[0] == logged[1] and all(map(math.isfinite, logged[0].values()))
    assert all(torch.equal(value, before[name] + 1) for name, value in run.model.named_parameters())
    for value in run.ema.average.values():
        value.add_(0.1)
    look(run)
    assert logged[2]["heldout/flow"] != logged[1]["heldout/flow"]


def test_a_picture_is_named_right_where_its_nearest_name_is_among_what_it_shows() -> None:
    table = torch.eye(3)
    index = {"fox": 0, "owl": 1, "dolphin": 2}

    def encode(texts: list[str], length: int) -> torch.Tensor:
        return torch.tensor([[next(i for name, i in index.items() if name in text)] for text in texts])

    tokenizer: Any = SimpleNamespace(encode=encode, lengths=lambda texts: [1] * len(texts))
    model: Any = SimpleNamespace(read=lambda tokens: SimpleNamespace(embedding_BE=table[tokens[:, 0]]))
    images = F.normalize(torch.tensor([[1.0, 0.2, 0], [0.3, 1, 0], [0, 0, 1], [0, 1, 0]]), dim=-1)
    shown: list[set[int]] = [{0}, {0}, {1, 2}, set()]
    pictures = HeldOutPictures(torch.zeros(4, 3, 1, 1), torch.zeros(4, 1), NAMES, shown)
    assert zero_shot(model, pictures, images, RunConfig(), tokenizer) == pytest.approx(2 / 3)


def test_pictures_without_names_have_no_zero_shot_accuracy(run: state.Run, tmp_path: Path) -> None:
    config = dataclasses.replace(
        run.config, data=dataclasses.replace(run.config.data, heldout=str(write(tmp_path / "mine", 5, names=False)))
    )
    pictures = read_heldout(find_held_out(config.data), config, run.tokenizer)
    assert len(pictures) == 5
    found = measure_heldout(run.model, pictures, config, run.tokenizer, torch.device("cpu"))
    assert "zero_shot_top1" not in found and 0 <= found["caption_top1"] <= 1


def test_which_folder_is_held_out(home: Path, tmp_path: Path) -> None:
    assert find_held_out(DataConfig(shards=str(home / "train"))) == [str(home / "heldout")]
    assert find_held_out(DataConfig(shards=str(home / "train"), heldout="s3://b/held")) == ["s3://b/held"]
    assert find_held_out(DataConfig(shards=str(home / "heldout"))) == []
    other = write(tmp_path / "train", 3)
    both = DataConfig(sources=(SourceConfig(str(home / "train")), SourceConfig(str(other))))
    assert find_held_out(both) == [str(home / "heldout")]
    write(tmp_path / "heldout", 3)
    assert find_held_out(both) == [str(home / "heldout"), str(tmp_path / "heldout")]


def test_pictures_come_from_all_folders(run: state.Run, home: Path, tmp_path: Path) -> None:
    write(tmp_path / "train", 3)
    write(tmp_path / "heldout", 20, names=False)
    data = DataConfig(sources=(SourceConfig(str(home / "train")), SourceConfig(str(tmp_path / "train"))))
    config = dataclasses.replace(run.config, data=data)
    pictures = read_heldout(find_held_out(data), config, run.tokenizer)
    assert len(pictures) == 10 and [bool(shown) for shown in pictures.shown] == [True] * 5 + [False] * 5


def test_whatever_fails_is_said_once_and_the_training_goes_on(
    config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def out_of_memory(*_: Any) -> dict[str, float]:
        raise RuntimeError("out of memory\nand a page about it")

    monkeypatch.setattr(heldout, "measure_heldout", out_of_memory)
    train(changed(config, heldout_every=1), tmp_path / "run")
    said = capsys.readouterr().err
    assert said.count("held-out losses were not measured (out of memory); training goes on") == 1
    assert (tmp_path / "run" / "checkpoints" / "00000004").is_dir()


def test_pictures_that_cannot_be_read_cost_the_held_out_losses_alone(
    config: RunConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    data = dataclasses.replace(config.data, heldout=str(tmp_path / "empty"))
    train(changed(dataclasses.replace(config, data=data), heldout_every=1), tmp_path / "run")
    assert capsys.readouterr().err.count("held-out pictures were not read") == 1
    assert not any("heldout/flow" in row for row in read_log(tmp_path / "run"))


def test_it_takes_no_more_than_its_share_of_the_time(run: state.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten seconds of training between two times of one second each."""
    now = [0.0]
    said: list[str] = []
    steps: list[int] = []

    def slow(*_: Any) -> dict[str, float]:
        now[0] += 1.0
        return {"flow": 1.0}

    monkeypatch.setattr(heldout, "measure_heldout", slow)
    monkeypatch.setattr("majolica.train.watch.share.time", SimpleNamespace(perf_counter=lambda: now[0]))
    log: Any = SimpleNamespace(say=said.append, add=lambda step, values: steps.append(step))
    run.config = changed(run.config, heldout_share=0.05)
    run.plan = StepPlan(100)
    look = HeldOut(run, log)
    for run.step in range(10, 101, 10):
        run.seconds += 10.0
        look(run)
    assert steps == [10, 40, 60, 80, 100]
    assert sum("are left out, as others will be" in line for line in said) == 1
