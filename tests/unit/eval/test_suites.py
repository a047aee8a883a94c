"""What evaluators read of the options, and the names of the files that they write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from majolica.config.evaluation import EvaluatorConfig
from majolica.config.run import RunConfig
from majolica.errors import UserError
from majolica.eval.context import make_context, without_judges
from majolica.eval.idle_options import CHOICES, SETTINGS
from majolica.eval.protocol import Result
from majolica.eval.request import result_files
from majolica.eval.run import run_evaluators
from majolica.eval.suites import EVALUATORS, build_evaluators, check_settings


def build(names: list[str], **options: Any) -> None:
    build_evaluators(names, make_context(RunConfig(), (), without_judges("none"), "", EvaluatorConfig(**options)))


@pytest.mark.parametrize(
    ("names", "options", "told"),
    [
        (["retrieval"], {"resize": "pytorch-fid"}, "retrieval would not use the given way of resizing: distances, gui"),
        (["retrieval"], {"first_synonym": True}, "would not use the given first synonyms: zero-shot, early-sight, pro"),
        (["zero-shot"], {"weights": "x"}, "zero-shot would not use the given weights of an extractor: image-text, di"),
        (["distances"], {"size": 128}, "distances would not use the given size: coco would"),
        (["gallery", "detail"], {"labels": "x"}, "gallery, detail would not use the given labels: zero-shot"),
        (["zero-shot"], {"first_synonym": True}, "first synonyms are those of a file of labels, and none is given"),
        (["distances"], {"weights": "x"}, "the given weights are of an extractor, and none is used: name it too"),
        (["image-text", "distances"], {"weights": "x", "extractor": "perception"}, "and none is used: name it too"),
        (["distances"], {"resize": "pytorch-fid"}, "the given way of resizing is for inception, and that is not used"),
        (["distances"], {"extractor": "foo"}, "unknown extractor 'foo': known are perception, inception, dinov2, clip"),
    ],
)
def test_an_option_without_effect_is_refused(names: list[str], options: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError) as caught:
        build(names, **options)
    assert told in str(caught.value)


def test_what_is_used_is_accepted() -> None:
    defaults = {name: getattr(EvaluatorConfig, name) for name in CHOICES}
    build(["retrieval", "gallery"], **defaults)  # as the command line gives them
    build(["coco"], weights="x", resize="pytorch-fid")  # whose extractor is Inception unless another is named


def test_every_choice_has_readers() -> None:
    assert {choice for entry in EVALUATORS.values() for choice in entry.reads} == {*CHOICES, *SETTINGS}


@pytest.mark.parametrize(
    ("names", "options", "noun"),
    [
        (["zero-shot", "probe"], {"steps": 5}, "number of steps"),
        (["guidance"], {"guidance": 3.0}, "guidance"),
        (["heldout-loss"], {"seed": 1}, "seed"),
        (["control-brief"], {"pictures": 9}, "number of pictures"),
        (["retrieval"], {"pictures": 9}, "number of pictures"),
    ],
)
def test_a_setting_that_no_evaluator_reads_is_refused(names: list[str], options: dict[str, Any], noun: str) -> None:
    with pytest.raises(UserError, match=f"{', '.join(names)} would not use the given {noun}: leave it out"):
        check_settings(names, EvaluatorConfig(**options))
    check_settings([*names, "fidelity"], EvaluatorConfig(**options))
    build(names, **options)  # in training a line says so, and the run goes on


def test_retrieval_reads_so_many_of_the_pictures_that_are_named() -> None:
    check_settings(["retrieval"], EvaluatorConfig(pictures=9, data="somewhere"))


def test_two_evaluators_of_the_same_metrics_are_refused() -> None:
    with pytest.raises(UserError, match="control-brief and control-deep write metrics of the same names, of which one"):
        build(["gallery", "control-brief", "control-plain", "control-deep"])


def test_a_metric_that_was_written_before_is_not_overwritten() -> None:
    def find(pipeline: object, data: object) -> Result:
        return Result("", {"share": 1.0})

    with pytest.raises(UserError, match="mine and yours write metrics of the same names"):
        run_evaluators(None, None, {"mine": find, "yours": find}, {}, print)  # type: ignore[arg-type]


def test_a_name_that_is_repeated_is_in_the_name_of_a_file_once() -> None:
    report, metrics = result_files(Path("run"), ("retrieval", "retrieval", "probe"))
    assert (report.name, metrics.name) == ("report-retrieval-probe.html", "metrics-retrieval-probe.json")
