"""The report: self-contained, safe with any caption, and there whatever is missing."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from majolica.config.data import DataConfig
from majolica.config.evaluation import EvaluatorConfig
from majolica.config.logged import GRADIENT_NORM
from majolica.config.run import RunConfig
from majolica.errors import UserError
from majolica.eval import facts
from majolica.eval.context import Judges, make_context
from majolica.eval.pictures import encode_png, figure_picture
from majolica.eval.protocol import EvalData, Figure, Result, Split, Table
from majolica.eval.report import Report, render_report
from majolica.eval.run import run_evaluators, write_results
from majolica.eval.suites import SUITES, build_evaluators
from majolica.html.figures import picture_grid
from majolica.html.matrices import confusion_heat
from pages import read_page


def test_pictures_are_embedded_exactly() -> None:
    picture = torch.randint(0, 256, (3, 5, 7), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    source = figure_picture(picture).source.removeprefix("data:image/png;base64,")
    back = np.asarray(Image.open(io.BytesIO(base64.b64decode(source))))
    assert np.array_equal(back, picture.permute(1, 2, 0).numpy())
    with pytest.raises(ValueError, match="uint8"):
        encode_png(picture.float())


def test_captions_cannot_become_markup() -> None:
    evil = "</figure><script>alert(1)</script>"
    picture = figure_picture(torch.zeros(3, 2, 2, dtype=torch.uint8), evil, evil, False)
    result = Result(
        evil,
        {evil: 1.0},
        (Figure(evil, picture_grid([picture]), evil), Table(evil, (evil,), [[evil]], evil)),
        evil,
    )
    heat = Result("heat", {}, (Figure("heat", confusion_heat([[1, 0], [0, 1]], (evil, "b"))),))
    log = [{"step": step, "loss": 1.0 / step} for step in range(1, 9)]
    page = render_report(Report(evil, {}, [result, heat], log, {evil: evil}, {evil: 1}, evil, [(evil, evil)], evil))
    assert "<script" not in page
    read_page(page)


def test_an_empty_report_is_still_a_page() -> None:
    read_page(render_report(Report("nothing", {}, [])))


@pytest.fixture
def run(tmp_path: Path) -> tuple[Path, RunConfig]:
    """A run folder and a data folder with as little as a run can leave behind."""
    folder, made = tmp_path / "run", tmp_path / "data"
    folder.mkdir()
    made.mkdir()
    (made / "names.json").write_text('["red apple", "dolphin", "cactus", "umbrella", "fox"]')
    (made / "dataset.json").write_text('{"attribution": "drawn by <people>", "objects": 1}')
    return folder, RunConfig(data=DataConfig(shards=str(made / "train")))


def test_the_whole_report(run: tuple[Path, RunConfig], pipeline: Any, judge: Any, data: EvalData) -> None:
    folder, config = run
    config = replace(config, model=replace(config.model, resolution=8))
    rows = [
        {"step": i, "samples": 64 * i, "seconds": 0.5 * i, "loss": 1 / i, "flow": 2 / i, "fine": 0.0}
        for i in range(1, 40)
    ]
    rows = [row | {GRADIENT_NORM: 3.0} for row in rows]
    (folder / "log.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (folder / "summary.json").write_text('{"train_seconds": 61, "parameters": 7, "machine": {"cpu": "a <chip>"}}')
    seconds = {"data": 12.0}
    heard: list[str] = []
    judges = Judges(lambda: judge, lambda: judge)
    context = make_context(config, config.model.properties, judges, "w", EvaluatorConfig(pictures=20))
    evaluators = build_evaluators([name for name in SUITES["drawings"] if name != "detail"], context)
    results = run_evaluators(pipeline({4: 2}), data, evaluators, seconds, heard.append)
    metrics = write_results(folder, config, data, list(results.values()), seconds)
    wanted = ("zero_shot_top1", "chance", "prompt_fidelity", "classifier_accuracy", "control_rho")
    wanted += ("zero_shot_grey", "zero_shot_hue", "fd", "fd_real_halves", "prompt_fidelity_real")
    wanted += ("train_seconds", "samples_seen", "parameters")
    assert set(wanted) <= set(metrics)
    assert json.loads((folder / "metrics.json").read_text()) == metrics
    assert (metrics["train_seconds"], metrics["samples_seen"], metrics["parameters"]) == (61, 64 * 39, 7)
    assert heard == list(seconds)[1:] == [n for n in SUITES["drawings"] if n != "detail"]
    page = (folder / "report.html").read_text()
    read_page(page)
    for words in (
        "What it paints",
        "Control of properties",
        "80.0%",
        "Flow-matching loss",
        "Gradient norm",
        "of the pictures named",
        "1&nbsp;min",
        "a &lt;chip&gt;",
    ):
        assert words.replace("&nbsp;", "\N{NO-BREAK SPACE}") in page
    assert "loss of larger pictures" not in page  # this run has none
    assert f"majolica generate &quot;a red apple on a teal background&quot; --run {folder}" in page


def test_a_number_that_is_none_is_left_out_of_the_metrics(run: tuple[Path, RunConfig], data: EvalData) -> None:
    """JSON has neither NaN nor infinity, so that other readers would refuse the whole file."""
    metrics = write_results(*run, data, [Result("Odd", {"a": float("nan"), "b": float("inf"), "c": 1.5})], {})
    assert metrics["c"] == 1.5 and not {"a", "b"} & metrics.keys()
    assert json.loads((run[0] / "metrics.json").read_text(), parse_constant=pytest.fail) == metrics


def test_a_log_with_a_torn_line_and_a_resume(tmp_path: Path) -> None:
    lines = [
        '{"step": 1, "loss": 3}',
        '{"step": 2, "loss": 2}',
        '{"step": 2, "loss": 9}',
        "[]",
        '{"step": 3, "lo',
    ]
    (tmp_path / "log.jsonl").write_text("\n".join(lines))
    assert facts.read_log(tmp_path) == [{"step": 1, "loss": 3}, {"step": 2, "loss": 9}]
    assert facts.read_log(tmp_path / "nowhere") == []


def test_numbers_of_one_step_in_several_lines_are_one_row(tmp_path: Path) -> None:
    lines = ['{"step": 2, "loss": 9}', '{"step": 2, "heldout/flow": 1, "samples": 8}', '{"step": 3, "heldout/flow": 2}']
    (tmp_path / "log.jsonl").write_text("\n".join(lines))
    assert facts.read_log(tmp_path) == [
        {"step": 2, "loss": 9, "heldout/flow": 1, "samples": 8},
        {"step": 3, "heldout/flow": 2},
    ]


def test_without_a_summary_the_log_and_the_formula_answer() -> None:
    metrics = facts.training_metrics(RunConfig(), {}, [{"step": 5, "samples": 50, "seconds": 2.5}])
    assert (metrics["samples_seen"], metrics["train_seconds"]) == (50, 2.5)
    assert metrics["parameters"] > 1e9
    assert facts.training_metrics(RunConfig(), {}, [])["samples_seen"] == 0


def test_a_summary_that_the_log_has_overtaken_does_not_count() -> None:
    """A run that was stopped, resumed and then killed has the summary of the stop."""
    log = [{"step": 30, "samples": 300, "seconds": 15.0}, {"step": 35, "heldout/flow": 1.0}]
    for step, expected in ((10, (300, 15.0)), (40, (400, 20.0))):
        summary = {"step": step, "samples_seen": 400, "train_seconds": 20.0, "parameters": 7}
        metrics = facts.training_metrics(RunConfig(), summary, log)
        assert (metrics["samples_seen"], metrics["train_seconds"], metrics["parameters"]) == (*expected, 7)


def test_an_earlier_checkpoint_has_figures_of_its_own() -> None:
    log, summary = [{"step": 40, "samples": 400, "seconds": 20.0}], {"step": 40, "samples_seen": 400}
    metrics = facts.training_metrics(RunConfig(), summary, log, {"step": 10, "samples": 100, "seconds": 5.04})
    assert (metrics["samples_seen"], metrics["train_seconds"]) == (100, 5.0)


def test_commands_without_any_caption_have_words_to_replace(tmp_path: Path) -> None:
    nothing = Split(torch.zeros(0, 3, 8, 8).byte(), (), ())
    commands = dict(facts.next_commands(tmp_path, RunConfig(), EvalData((), nothing, nothing)))
    assert commands["Paint a picture"].startswith('majolica generate "PROMPT" --run')
    assert commands["Name a picture"].endswith("--labels LABEL ANOTHER")


def test_a_summary_that_is_no_object(tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text("[1]")
    with pytest.raises(UserError, match="an object was expected"):
        facts.read_json(tmp_path / "summary.json")
