"""Evaluation while a run is trained: training does not notice it, and the number of ranks does not matter."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from majolica.config.evaluation import EvaluatorConfig
from majolica.config.run import RunConfig
from majolica.distributed.group import Group
from majolica.errors import UserError
from majolica.eval import suites
from majolica.eval.evaluators.gallery import Gallery
from majolica.eval.paintings import Paintings
from majolica.eval.protocol import EvalData, PipelineLike, Result
from majolica.eval.records import read_records
from majolica.launch.evaluations import Evaluations
from majolica.launch.prepare import prepare_run
from majolica.launch.start import train
from majolica.run.best import find_best
from majolica.sampling.pipeline import Pipeline
from majolica.sampling.request import PaintRequest
from majolica.train import state
from ranks import changed, on_ranks
from tiny import awake, tiny_run, weights


@dataclasses.dataclass(frozen=True)
class Probe:
    """Paints three pictures, embeds them, and draws from every global generator."""

    fails: bool = False
    name: str = "probe"

    def count_paintings(self, data: EvalData) -> float:
        return 3

    def explain_lack(self, data: EvalData) -> str:
        return data.explain_no_captions()

    def __call__(self, pipeline: PipelineLike, data: EvalData) -> Result:
        request = PaintRequest(["a fox", "an owl", "a cat"], steps=2, seed=range(3), batch=8)
        images_B3HW = pipeline.paint_request(request)
        embeddings_BE = pipeline.embed_images(images_B3HW)
        torch.rand(3), np.random.rand(3)
        if self.fails:
            raise UserError("the probe is broken")
        return Result("Probe", {"pixels": float(images_B3HW.double().mean()), "sum": float(embeddings_BE.sum())})


@pytest.fixture(autouse=True)
def probes(monkeypatch: pytest.MonkeyPatch) -> None:
    add_probes(monkeypatch.setitem)


def add_probes(set_item: Any) -> None:
    set_item(suites.EVALUATORS, "probe", suites.Entry("a probe", lambda context: Probe()))
    set_item(suites.EVALUATORS, "broken", suites.Entry("a broken one", lambda context: Probe(fails=True)))


@dataclasses.dataclass(frozen=True)
class SharedPictures:
    """Measures the pictures that several evaluators share."""

    painted: Paintings
    name: str = "shared"

    def count_paintings(self, data: EvalData) -> float:
        return self.painted.claim(data)

    def explain_lack(self, data: EvalData) -> str:
        return data.explain_no_captions()

    def __call__(self, pipeline: PipelineLike, data: EvalData) -> Result:
        return Result("", {"shared": float(self.painted.paint(pipeline, data).images_B3HW.double().mean())})


def test_no_evaluation_keeps_the_pictures_of_an_earlier_one(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = suites.Entry("shared", lambda context: SharedPictures(context.painted))
    monkeypatch.setitem(suites.EVALUATORS, "shared", entry)
    config = with_evaluators(tiny_run(shards), "shared")
    few = tuple(dataclasses.replace(each, pictures=4, steps=2) for each in config.train.evaluators)
    train(changed(config, evaluators=few), tmp_path / "run")
    values = [record.metrics["shared"] for record in read_records(tmp_path / "run")]
    assert len(set(values)) == 3, "each is of other weights"


def with_evaluators(config: RunConfig, *names: str, **changes: Any) -> RunConfig:
    return changed(config, evaluators=tuple(EvaluatorConfig(name) for name in names), eval_every=2, **changes)


def test_training_with_and_without_evaluation_is_equal_bit_for_bit(shards: Path, tmp_path: Path) -> None:
    config = tiny_run(shards)
    train(config, tmp_path / "without")
    train(with_evaluators(config, "probe"), tmp_path / "with")
    without, found = (weights(tmp_path / name, 6) for name in ("without", "with"))
    assert without.keys() == found.keys() and all(torch.equal(value, found[name]) for name, value in without.items())
    records = read_records(tmp_path / "with")
    assert [record.step for record in records] == [2, 4, 6]
    assert [len(record.weights) for record in records] == [0, 0, 64], "a checkpoint is saved at steps 3 and 6"
    assert records[-1].weights == Pipeline.load(tmp_path / "with").weights_sha256
    lines = [json.loads(line) for line in (tmp_path / "with" / "log.jsonl").read_text().splitlines()]
    logged = [line["eval/probe/pixels"] for line in lines if "eval/probe/pixels" in line]
    assert logged == [record.metrics["pixels"] for record in records]


def test_a_checkpoint_measures_what_was_measured_in_training(shards: Path, tmp_path: Path) -> None:
    train(with_evaluators(tiny_run(shards), "probe"), tmp_path / "run")
    record = read_records(tmp_path / "run")[-1]
    data = EvalData((), *[SimpleNamespace()] * 2)  # type: ignore[arg-type]
    torch.set_num_threads(1)
    found = Probe()(Pipeline.load(tmp_path / "run" / "checkpoints" / "00000006"), data)
    assert found.metrics == pytest.approx(record.metrics, abs=1e-6)


def test_each_evaluator_has_its_own_cadence_and_a_broken_one_ends_nothing(
    shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = with_evaluators(tiny_run(shards), "broken", "probe")
    slow = (config.train.evaluators[0], dataclasses.replace(config.train.evaluators[1], every=5))
    train(changed(config, evaluators=slow), tmp_path / "run")
    assert [record.step for record in read_records(tmp_path / "run")] == [5, 6], "the last step is always evaluated"
    assert (
        capsys.readouterr().err.count("broken was not evaluated at step 2 (the probe is broken); training goes on") == 1
    )


@pytest.mark.parametrize("which", ["highest", "lowest"])
def test_the_best_checkpoint_is_kept_beside_the_newest(shards: Path, tmp_path: Path, which: str) -> None:
    config = with_evaluators(tiny_run(shards), "probe", keep=1, best_metric="pixels", best_is=which)
    train(config, tmp_path / "run")
    by_step = {record.step: record.metrics["pixels"] for record in read_records(tmp_path / "run")}
    best = (max if which == "highest" else min)(by_step, key=lambda step: by_step[step])
    kept = find_best(tmp_path / "run")
    assert kept and (kept.step, kept.value) == (best, by_step[best])
    [folder] = [path for path in (tmp_path / "run" / "best").iterdir() if path.is_dir()]
    assert folder.name == f"{best:08d}"
    assert Pipeline.load(folder).weights_sha256


def test_a_metric_that_no_evaluator_gives_is_said_after_the_first_evaluation(
    shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(with_evaluators(tiny_run(shards), "probe", best_metric="pixel"), tmp_path / "run")
    told = capsys.readouterr().err
    line = "no best checkpoint is kept: unknown metric 'pixel': did you mean 'pixels'? Known are pixels, sum"
    assert told.count(line) == 1 and told.index(line) < told.index("step 4: evaluating probe")


def evaluate_on_ranks(group: Group, config: RunConfig, out: Path) -> dict[str, float]:
    add_probes(dict.__setitem__)
    run = state.build_run(config, out, group)
    awake(run.model)
    parameters = dict(run.model.named_parameters())
    for name, value in run.ema.average.items():
        value.copy_(parameters[name].detach())
    found: dict[str, float] = {}
    log: Any = SimpleNamespace(say=print, add=lambda step, values: found.update(values)) if group.first else None
    run.step = 2
    try:
        evaluations = Evaluations(run, log)
        evaluations(run)
    finally:
        run.feed.close()
    return found


def test_any_number_of_ranks_finds_the_same(shards: Path, tmp_path: Path) -> None:
    found = []
    for world in (1, 2):
        config = with_evaluators(
            tiny_run(shards), "broken", "probe", processes=world, batch=8 // world, shard_optimizer=world > 1
        )
        prepare_run(config, tmp_path / f"run-{world}", resume=False)
        answers = on_ranks(world, evaluate_on_ranks, tmp_path / f"ranks-{world}", config, tmp_path / f"run-{world}")
        assert all(answer == {} for answer in answers[1:])
        found.append(answers[0])
    assert found[1] == pytest.approx(found[0], abs=1e-4) and "eval/probe/pixels" in found[0]


def test_evaluators_that_ask_judges_are_refused(shards: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="fidelity, which asks judges that take minutes"):
        train(with_evaluators(tiny_run(shards), "fidelity"), tmp_path / "run")
    with pytest.raises(UserError, match="unknown suite or evaluator 'zero-shoot'"):
        train(with_evaluators(tiny_run(shards), "zero-shoot"), tmp_path / "other")


def test_what_lacks_its_data_is_left_out_with_the_reason(
    shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Gallery, "explain_lack", lambda self, data: "The moon is not full.")
    train(with_evaluators(tiny_run(shards), "gallery"), tmp_path / "run")
    assert "gallery will not be evaluated: The moon is not full." in capsys.readouterr().err
