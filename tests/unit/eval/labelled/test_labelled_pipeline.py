"""Every evaluator of labelled pictures runs on a real pipeline, through the wrapper that evaluations use."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import pytest
import torch

from levels import NAMES, level
from majolica.config.run import RunConfig
from majolica.eval.evaluators.early_sight import EarlySight
from majolica.eval.evaluators.labelled_zero_shot import LabelledZeroShot
from majolica.eval.evaluators.probe import Probes
from majolica.eval.evaluators.retrieval import Retrieval
from majolica.eval.labelled.class_list import list_classes
from majolica.eval.labelled.source import open_labelled
from majolica.eval.painters import Painters, Workload
from majolica.eval.protocol import EvalData, Split
from majolica.models.majolica import Majolica
from majolica.sampling.pipeline import Pipeline
from majolica.text.tokenizer import Tokenizer, train_tokenizer
from tiny import CAPTIONS, TINY


@pytest.fixture
def painters(tiny: Majolica, tmp_path: Path) -> Painters:
    train_tokenizer(CAPTIONS, tmp_path / "tokenizer.model", 300)
    config = dataclasses.replace(RunConfig(), model=TINY)
    pipeline = Pipeline(tiny, Tokenizer(tmp_path / "tokenizer.model"), config, torch.device("cpu"))
    return Painters(pipeline, TINY.resolution, None, Workload(0, lambda done, total: None))


def test_all_evaluators_run_on_a_pipeline(painters: Painters, class_folders: Path, nothing: EvalData) -> None:
    pictures = open_labelled(class_folders, list_classes(NAMES), TINY.resolution)
    side = (-1, 3, TINY.resolution, TINY.resolution)
    images_B3HW = torch.tensor([level(k) for k in range(7)], dtype=torch.uint8).view(-1, 1, 1, 1).expand(side)
    split = Split(images_B3HW.contiguous(), [f"a {name}" for name in NAMES], [{} for _ in NAMES])
    evaluators = (
        LabelledZeroShot(pictures),
        Probes(pictures),
        Retrieval(split),
        EarlySight(pictures, times=(0.5, 1.0)),
    )
    for evaluator in evaluators:
        assert evaluator.explain_lack(nothing) == "" and evaluator.count_paintings(nothing) < 1, (
            "reading is little work"
        )
        result = evaluator(painters, nothing)
        json.dumps([dict(result.protocol), result.metrics, dict(result.intervals)])
        assert all(math.isfinite(value) for value in result.metrics.values())
        assert all(low <= result.metrics[name] <= high for name, (low, high) in result.intervals.items())
    early = EarlySight(pictures, times=(1.0,))(painters, nothing).metrics["early_sight_noisy_t1"]
    assert early == LabelledZeroShot(pictures)(painters, nothing).metrics["labelled_top1"], "at t = 1 nothing is noise"
