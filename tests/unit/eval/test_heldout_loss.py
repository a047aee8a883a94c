"""Held-out and training losses: equal pictures have no gap, and a model that knows the training pictures has one."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import simplejpeg
import torch

from majolica.config.data import DataConfig
from majolica.config.run import RunConfig
from majolica.data.loading.split import load_split
from majolica.data.store.pack import write_shards
from majolica.data.store.record import Record
from majolica.eval.evaluators import heldout_loss
from majolica.eval.evaluators.heldout_loss import HeldOutLoss, contrastive_rows, find_trained, measure_split
from majolica.eval.painters import Painters, Workload
from majolica.eval.protocol import EvalData, Split
from majolica.eval.run_data import load_run_data
from majolica.eval.training_pictures import TrainingPictures
from majolica.models.majolica import Majolica
from majolica.objectives.contrastive import Pairs, sigmoid_loss
from majolica.objectives.measure import Captioned, measure_losses
from majolica.properties.builtin.source import read as read_source
from majolica.properties.registry import read_columns
from majolica.sampling.pipeline import Pipeline
from majolica.text.tokenizer import Tokenizer, train_tokenizer
from tiny import CAPTIONS, TINY, awake

SIDE = TINY.resolution


def write(folder: Path, count: int, level: int, **meta: Any) -> Path:
    """Write noise around a grey of this level."""
    rng = np.random.default_rng(level)

    def records() -> Any:
        for i in range(count):
            image = (level + rng.integers(-20, 20, (SIDE, SIDE, 3))).clip(0, 255).astype(np.uint8)
            yield Record(simplejpeg.encode_jpeg(image, quality=95), "jpg", CAPTIONS[i % len(CAPTIONS)], meta)

    write_shards(folder, records(), per_shard=100)
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("set")
    write(home / "train", 40, 60)
    write(home / "heldout", 24, 200)
    return home


@pytest.fixture(scope="module")
def trained(home: Path) -> Pipeline:
    train_tokenizer(CAPTIONS, home / "tokenizer.model", 300)
    tokenizer = Tokenizer(home / "tokenizer.model")
    torch.manual_seed(0)
    model = awake(Majolica(dataclasses.replace(TINY, text=dataclasses.replace(TINY.text, vocab=tokenizer.vocab))))
    assert isinstance(model, Majolica)
    config = RunConfig(model=TINY, data=DataConfig(shards=str(home / "train")))
    return Pipeline(model.eval(), tokenizer, config, torch.device("cpu"))


def data_of(folder: Path) -> EvalData:
    nothing = Split(torch.zeros(0, 3, SIDE, SIDE).byte(), (), ())
    return EvalData((), Split(*load_split(folder, None, SIDE)), nothing)


def test_pictures_that_were_trained_on_have_no_gap(trained: Pipeline, home: Path) -> None:
    result = HeldOutLoss()(trained, data_of(home / "train"))
    assert result.metrics["flow_gap"] == result.metrics["contrastive_gap"] == 0
    assert result.intervals["flow_gap"] == (0, 0) and result.protocol["pictures"] == 40
    for loss in ("flow", "contrastive", "caption_top1"):
        assert result.metrics[f"heldout_{loss}"] == result.metrics[f"train_{loss}"]


def test_a_model_that_only_knows_the_training_pictures_has_a_gap(trained: Pipeline, home: Path) -> None:
    """It predicts a grey of the level of the training pictures, whatever it is shown."""

    class Grey(torch.nn.Module):
        logit_scale, logit_bias = trained.model.logit_scale, trained.model.logit_bias
        conditions = trained.model.conditions

        def forward(self, rows: Any) -> Any:
            found = trained.model(rows)
            return dataclasses.replace(found, base_M3HW=torch.full_like(found.base_M3HW, 60 / 127.5 - 1))

    grey: Any = Grey()
    result = HeldOutLoss()(dataclasses.replace(trained, model=grey), data_of(home / "heldout"))
    assert result.metrics["flow_gap"] > 1 and result.intervals["flow_gap"][0] > 0
    assert result.metrics["flow_gap"] == pytest.approx(result.metrics["heldout_flow"] - result.metrics["train_flow"])
    assert "is larger than chance explains" in result.note and result.protocol["pictures"] == 24


def test_the_draws_of_a_picture_do_not_depend_on_the_others(
    trained: Pipeline, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = data_of(home / "heldout").heldout
    whole = measure_split(trained, split, 3)
    monkeypatch.setattr(heldout_loss, "CHUNK", 5)
    some = measure_split(trained, Split(split.images_B3HW[:7], split.captions[:7], split.metas[:7]), 3)
    assert torch.equal(some.t_N, whole.t_N[:7])
    assert torch.allclose(some.flow_N, whole.flow_N[:7], rtol=1e-4)
    assert torch.allclose(some.pairs.image_BE, whole.pairs.image_BE[:7], atol=1e-5)
    assert not torch.equal(measure_split(trained, split, 4).t_N, whole.t_N)


def test_pictures_say_where_they_lie_and_what_is_cut_away_as_those_of_training_do(tmp_path: Path) -> None:
    for name in ("train", "heldout"):
        write(tmp_path / "birds" / name, 2, 60, width=64, height=32)
    config = RunConfig(model=TINY, data=DataConfig(shards=str(tmp_path / "birds" / "train")))
    with TrainingPictures(config) as training:
        (seen,) = training.read(2)
    for split in (seen, load_run_data(config).heldout):
        assert read_columns(("crop",), split.metas)["crop"].tolist() == [0.5, 0.5]
        assert [read_source(meta) for meta in split.metas] == ["birds", "birds"]


def test_rows_of_the_contrastive_loss_add_up_to_it() -> None:
    generator = torch.Generator().manual_seed(0)
    image, text = (torch.nn.functional.normalize(torch.randn(9, 5, generator=generator), dim=-1) for _ in range(2))
    pairs = Pairs(image, text, torch.tensor([1, 2, 3, 1, 4, 5, 6, 2, 1]))
    scale, bias = torch.tensor(7.0), torch.tensor(-3.0)
    whole = sigmoid_loss(pairs, scale, bias, pairs.empty(), pairs.empty(), 9)
    assert contrastive_rows(pairs, scale, bias).mean() == pytest.approx(whole.item(), rel=1e-5)


def test_the_model_is_found_behind_painters_and_nothing_else_is_taken_for_one(trained: Pipeline) -> None:
    painters = Painters(trained, SIDE, None, Workload(0, lambda done, total: None))
    assert find_trained(painters) is trained
    other: Any = object()
    with pytest.raises(ValueError, match="trained pipeline"):
        find_trained(other)


def test_it_says_what_it_lacks(home: Path) -> None:
    data = data_of(home / "heldout")
    assert HeldOutLoss().explain_lack(data) == "" and HeldOutLoss().count_paintings(data) == 0
    assert "no held-out pictures" in HeldOutLoss().explain_lack(dataclasses.replace(data, heldout=data.combinations))
    assert "trained on" in HeldOutLoss().explain_lack(dataclasses.replace(data, trained_on=True))


def test_another_number_of_seeds_is_refused(trained: Pipeline) -> None:
    pictures = Captioned(torch.zeros(2, 3, SIDE, SIDE).byte(), trained.tokenizer.encode(["a fox", "an owl"], 8))
    with pytest.raises(ValueError, match="two seeds are needed for each picture, 4 in all, got 3"):
        measure_losses(trained.model, pictures, trained.config, "fp32", [1, 2, 3], trained.device, 2)
