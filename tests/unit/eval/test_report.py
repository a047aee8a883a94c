"""The report: self-contained, safe with any caption, and there whatever is missing."""

from __future__ import annotations

import base64
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from majolica.config.logged import GRADIENT_NORM
from majolica.config.run import DataConfig, RunConfig
from majolica.errors import UserError
from majolica.eval import facts
from majolica.eval.protocol import Brush, EvalData, Figure, Result, Table
from majolica.eval.report import Report, count, duration, render_report
from majolica.eval.run import default_evaluators, run_evaluators, write_results
from majolica.html.charts import Points, line_chart, log_ticks, scatter, short, ticks
from majolica.html.figures import Picture, confusion_heat, img, picture_grid, png

VOID = {"meta", "img", "br", "rect", "path", "circle"}


class Balance(HTMLParser):
    """Follows opening and closing tags, and collects what could load something."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "xlink:href")]
        assert tag not in ("script", "link", "iframe", "object")
        if tag not in VOID or (tag == "rect"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def check_page(page: str) -> Balance:
    parser = Balance()
    parser.feed(page)
    assert parser.open == []
    assert all(link.startswith(("data:image/png;base64,", "#")) for link in parser.links)
    assert "@import" not in page and "url(" not in page
    ids = set(re.findall(r'id="([^"]+)"', page))
    assert {link[1:] for link in parser.links if link.startswith("#")} == ids
    return parser


def test_pictures_are_embedded_exactly() -> None:
    picture = torch.randint(0, 256, (3, 5, 7), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    tag = img(picture, 'say "hi" <b>')
    data = re.search(r"base64,([^\"]+)", tag)
    assert data
    back = np.asarray(Image.open(io.BytesIO(base64.b64decode(data[1]))))
    assert np.array_equal(back, picture.permute(1, 2, 0).numpy())
    assert 'width="7" height="5"' in tag
    assert "<b>" not in tag and '"hi"' not in tag
    with pytest.raises(ValueError, match="uint8"):
        png(picture.float())


def test_captions_cannot_become_markup() -> None:
    evil = "</figure><script>alert(1)</script>"
    picture = Picture(torch.zeros(3, 2, 2, dtype=torch.uint8), evil, evil, False)
    result = Result(
        evil,
        {evil: 1.0},
        (Figure(evil, picture_grid([picture]), evil), Table(evil, (evil,), [[evil]], evil)),
        evil,
    )
    heat = Result("heat", {}, (Figure("heat", confusion_heat(torch.eye(2), (evil, "b"))),))
    log = [{"step": step, "loss": 1.0 / step} for step in range(1, 9)]
    page = render_report(Report(evil, {}, [result, heat], log, {evil: evil}, {evil: 1}, evil, [(evil, evil)], evil))
    assert "<script" not in page
    check_page(page)


def test_an_empty_report_is_still_a_page() -> None:
    check_page(render_report(Report("nothing", {}, [])))


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
    evaluators = default_evaluators(config, judge, 20, Brush())
    results = run_evaluators(pipeline({4: 2}), data, evaluators, seconds, heard.append)
    metrics = write_results(folder, config, data, results, seconds)
    wanted = ("zero_shot_top1", "chance", "prompt_fidelity", "classifier_accuracy", "control_rho")
    wanted += ("train_seconds", "samples_seen", "parameters")
    assert set(wanted) <= set(metrics)
    assert json.loads((folder / "metrics.json").read_text()) == metrics
    assert (metrics["train_seconds"], metrics["samples_seen"], metrics["parameters"]) == (61, 64 * 39, 7)
    assert heard == list(seconds)[1:] == ["gallery", "control", "zero-shot", "prompt fidelity"]
    page = (folder / "report.html").read_text()
    check_page(page)
    for words in (
        "What it paints",
        "Dialled properties",
        "80.0%",
        "Flow-matching loss",
        "Gradient norm",
        "of unseen renderings named",
        "1&nbsp;min",
        "a &lt;chip&gt;",
    ):
        assert words.replace("&nbsp;", "\N{NO-BREAK SPACE}") in page
    assert "loss of larger pictures" not in page  # this run has none
    assert f"majolica generate &quot;a red apple on a teal background&quot; --run {folder}" in page


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


def test_data_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no names\.json"):
        facts.data_folder(RunConfig(data=DataConfig(shards=str(tmp_path / "train"))))
    (tmp_path / "names.json").write_text("[oops")
    with pytest.raises(UserError, match=r"cannot read .*names\.json"):
        facts.load_data(tmp_path, 8)
    (tmp_path / "summary.json").write_text("[1]")
    with pytest.raises(UserError, match="an object was expected"):
        facts.read_json(tmp_path / "summary.json")


def test_splits_left_out_are_empty(tmp_path: Path) -> None:
    (tmp_path / "names.json").write_text('["fox"]')
    data = facts.load_data(tmp_path, 8)
    assert (data.names, len(data.heldout), len(data.prompts())) == (("fox",), 0, 0)


def test_ticks_are_round_and_inside() -> None:
    assert ticks(0, 1) == [0, 0.2, 0.4, 0.6, 0.8, 1]
    assert ticks(-3, 42) == [0, 10, 20, 30, 40]
    assert log_ticks(0.9, 120) == [1, 2, 5, 10, 20, 50, 100]
    assert log_ticks(1e-6, 10) == pytest.approx([10.0**k for k in range(-6, 2)])
    assert [short(x) for x in (0, 0.002, 20000, 1.5e6, 1e-5)] == ["0", "0.002", "20k", "1.5M", "1e-05"]


@pytest.mark.parametrize("log", [False, True])
def test_line_chart_of_anything(log: bool) -> None:
    assert line_chart(Points([1], [1]), "t", "x", log) == ""
    assert "NaN" not in line_chart(Points([1, 2, 3], [float("nan"), 2, 2]), "t", "x", log)
    assert "<svg" in line_chart(Points([1, 2, 3, 4], [1, 0, -1, 3]), "t", "x", log)
    long = line_chart(Points(list(range(5000)), [1 + 1 / (i + 1) for i in range(5000)]), "t", "x", log)
    assert len(long) < 20_000
    numbers = [float(y) for y in re.findall(r"[ML][\d.-]+ ([\d.-]+)", long)]
    assert min(numbers) >= 0 and max(numbers) <= 240


def test_scatter_keeps_points_on_the_diagonal() -> None:
    svg = scatter(Points([0, 1], [0, 1]), "t", "x", "y")
    ends = re.search(r'diagonal" d="M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)', svg)
    dots = re.findall(r'cx="([\d.]+)" cy="([\d.]+)"', svg)
    assert ends
    x0, y0, x1, y1 = map(float, ends.groups())
    for x, y in dots:
        assert float(y) == pytest.approx(y0 + (float(x) - x0) * (y1 - y0) / (x1 - x0), abs=0.2)


def test_words_for_numbers() -> None:
    spoken = [duration(s).replace("\N{NO-BREAK SPACE}", " ") for s in (0.234, 41, 60, 598, 12000, 838_800)]
    assert spoken == ["0.2 s", "41 s", "1 min", "9 min 58 s", "3 h 20 min", "9 d 17 h"]
    counted = [count(n).replace("\N{NO-BREAK SPACE}", " ") for n in (845, 115_200, 6_123_456, 2.5e9)]
    assert counted == ["845", "115 k", "6.12 M", "2.5 G"]
