"""Properties of the user's own in evaluation and calibration: measured where their file is named, and only there."""

from __future__ import annotations

import json
import re
import shutil
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from majolica import cli
from majolica.adapters.card import AdapterCard
from majolica.adapters.store import save_adapter
from majolica.config.evaluation import EvaluatorConfig
from majolica.config.io import load_config, save_config
from majolica.config.run import RunConfig
from majolica.errors import Notice, UserError
from majolica.eval import calibrate as calibrate_module
from majolica.eval import run as run_module
from majolica.eval.calibrate import Correction, calibrate_run
from majolica.eval.context import make_context, without_judges
from majolica.eval.painters import Painters, Workload
from majolica.eval.protocol import EvalData, Split
from majolica.eval.records import read_records
from majolica.eval.request import EvaluationRequest
from majolica.eval.run import evaluate
from majolica.eval.suites import build_evaluators
from majolica.eval.user_properties import load_with_measures
from majolica.eval.workers import open_workers
from majolica.models.adapter import PropertyAdapter
from majolica.models.majolica import Majolica
from majolica.properties import registry
from majolica.properties.quantiles import save_quantiles, spread_evenly
from majolica.properties.registry import choose_measured, explain_unmeasured, find_property
from majolica.properties.user_file import load_property_file
from majolica.run.checkpoint import Saved, save_checkpoint
from majolica.run.weights import load_averaged
from majolica.sampling.calibration import Response
from majolica.sampling.pipeline import Pipeline
from majolica.sampling.request import PaintRequest
from majolica.text.tokenizer import Tokenizer, train_tokenizer
from tiny import TINY, awake
from warmth import WARMTH, forget

__all__ = ["forget"]
pytestmark = pytest.mark.filterwarnings("ignore::majolica.errors.Notice")
PROMPTS = ["a red fox", "an owl at sea", "a cat", "a dog on teal"]
SAID = r"warmth is left out: how warmth is measured is not built in: name its file \(warmth.py, .*\) with --property"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("measure") / "warmth.py"
    path.write_text(WARMTH)
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, file: Path) -> Path:
    """A run with contrast, that was taught the warmth of the file."""
    folder, model = tmp_path_factory.mktemp("taught") / "run", replace(TINY, properties=("contrast",))
    train_tokenizer(PROMPTS, folder / "tokenizer.model", 300)
    text = replace(TINY.text, vocab=Tokenizer(folder / "tokenizer.model").vocab)
    save_config(replace(RunConfig(), model=model), folder / "config.yaml")
    torch.manual_seed(0)
    save_checkpoint(
        folder, 1, Saved({"ema": dict(awake(Majolica(replace(model, text=text))).state_dict())}, {}), keep=1
    )
    save_quantiles(folder, {"contrast": spread_evenly(find_property("contrast"))})
    entry = find_property(load_property_file(file))
    base = load_averaged(folder).sha256
    card = AdapterCard("warmth", entry.unit, entry.low, entry.high, False, entry.source, base, [], 10, 0.1, 1, 4, 1.0)
    save_adapter(folder / "adapters" / "warmth.safetensors", PropertyAdapter("warmth", model), card)
    registry._ADDED.clear()
    return folder


@pytest.fixture
def own_data(monkeypatch: pytest.MonkeyPatch) -> EvalData:
    pictures = torch.randint(0, 256, (8, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    split = Split(pictures, PROMPTS * 2, [{}] * 8)
    data = EvalData((), split, split)
    for module in (run_module, calibrate_module):
        monkeypatch.setattr(module, "load_run_data", lambda config: data)
    return data


def test_a_measure_is_there_where_its_file_is_named(run: Path, file: Path) -> None:
    names = load_with_measures(run, ()).properties
    assert names == ("contrast", "warmth") and choose_measured(names) == ("contrast",)
    assert set(explain_unmeasured(names)) == {"warmth"}
    registry._ADDED.clear()
    assert choose_measured(load_with_measures(run, [file]).properties) == names
    assert explain_unmeasured((*names, "source", "aesthetic_score")) == {}


def test_another_file_and_one_for_nothing_are_refused(run: Path, file: Path, tmp_path: Path) -> None:
    other, cold = tmp_path / "warmth.py", tmp_path / "cold.py"
    other.write_text(WARMTH + "# another\n")
    cold.write_text(WARMTH)
    with pytest.raises(UserError, match=r"warmth was taught with warmth.py, SHA-256 .* is another file"):
        load_with_measures(run, [other])
    registry._ADDED.clear()
    (tmp_path / "twin").mkdir()
    twin = tmp_path / "twin/warmth.py"
    twin.write_text(WARMTH)
    with pytest.raises(UserError, match=r"both define warmth: name one only"):
        load_with_measures(run, [file, twin])
    with pytest.raises(
        UserError, match=r"was not taught cold: teach it with `majolica extend .*run --property .*cold.py"
    ):
        load_with_measures(run, [file, cold])


def test_painting_without_its_file_is_said(run: Path, file: Path) -> None:
    with pytest.warns(Notice, match=r"^warmth is followed less closely, .* because how warmth is measured is not bui"):
        load_with_measures(run, ()).paint("a fox", properties={"warmth": 0.1}, steps=1)
    registry._ADDED.clear()
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        load_with_measures(run, [file]).paint("a fox", properties={"warmth": 0.1}, steps=1)
    assert not [each for each in heard if "closely" in str(each.message)]


def test_only_an_adapter_that_is_named_is_refused_if_it_is_stale(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    taught = folder / "adapters" / "warmth.safetensors"
    stale, further = folder / "adapters" / "hue.safetensors", tmp_path / "hue.safetensors"
    card = AdapterCard("hue", "degrees of hue", 0.0, 360.0, True, "built in", "a" * 64, [], 10, 0.1, 1, 4, 1.0)
    save_adapter(stale, PropertyAdapter("hue", TINY), card)
    save_adapter(further, PropertyAdapter("hue", TINY), replace(card, base=load_averaged(folder).sha256))
    with pytest.warns(Notice, match=r"hue\.safetensors is left out"):
        assert Pipeline.load(folder, more_adapters=[further]).properties == ("contrast", "warmth", "hue")
    with pytest.raises(UserError, match=r"run/adapters/hue\.safetensors was taught to a model with"):
        Pipeline.load(folder, more_adapters=[stale])
    assert Pipeline.load(folder, more_adapters=[taught]).properties == ("contrast", "warmth")


def test_evaluation_measures_it_or_says_how(run: Path, file: Path, own_data: EvalData) -> None:
    heard: list[str] = []
    request = EvaluationRequest(run, ("control-brief",), options=EvaluatorConfig(steps=1))
    without = evaluate(request, heard.append)
    assert "control_rho_contrast" in without and "control_rho_warmth" not in without
    [said] = [line for line in heard if "left out" in line]
    assert re.fullmatch(SAID, said)
    assert "name its file" in (run / "report-control-brief.html").read_text()
    registry._ADDED.clear()
    heard.clear()
    assert "control_rho_warmth" in evaluate(replace(request, property_files=(file,)), heard.append)
    assert not [line for line in heard if "left out" in line]
    before, after = (record.protocol for record in read_records(run))
    assert "property_files" not in before
    assert after["property_files"] == [find_property("warmth").source] and "SHA-256" in after["property_files"][0]


def test_calibration_measures_it_or_says_how(
    run: Path, file: Path, own_data: EvalData, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Correction(Response((0.0, 1.0), (0.0, 1.0)), 0.1, 0.1)
    monkeypatch.setattr(calibrate_module, "correct", lambda *_: found)
    heard: list[str] = []
    assert list(calibrate_run(run, 1, say=heard.append)) == ["contrast"]
    assert len(heard) == 1 and re.fullmatch(SAID, heard[0])
    registry._ADDED.clear()
    assert list(calibrate_run(run, 1, property_files=[file], say=heard.append)) == ["contrast", "warmth"]
    assert len(heard) == 1
    calibrated = (run / "calibration.json").read_text()
    assert set(json.loads(calibrated)["responses"]) == {"contrast", "warmth"}
    registry._ADDED.clear()
    assert list(calibrate_run(run, 1)) == ["contrast"]  # what cannot be measured now keeps what was measured before
    assert json.loads((run / "calibration.json").read_text()) == json.loads(calibrated)


def test_processes_project_to_it_as_one_process_does(run: Path, file: Path) -> None:
    request = PaintRequest(PROMPTS, properties={"warmth": 0.4}, steps=2, seed=range(4), batch=8)
    unknown = load_with_measures(run, ()).paint_request(request).int()
    registry._ADDED.clear()
    here = load_with_measures(run, [file])
    with open_workers(run, 2, [file]) as workers:
        assert workers is not None
        there = Painters(here, 16, workers, Workload(4, lambda done, total: None)).paint_request(request).int()
    assert (there - here.paint_request(request).int()).abs().max() <= 1
    assert (there - unknown).abs().max() > 10  # without its file nothing is projected


def test_the_brief_evaluator_has_those_that_were_asked_for(run: Path, file: Path) -> None:
    config, judges = load_config(run / "config.yaml"), without_judges("none")
    names = (*load_with_measures(run, [file]).properties, "hue")  # hue as an adapter that is built in
    context = make_context(config, names, judges, "", EvaluationRequest(run).options)
    assert context.measured == ("contrast", "warmth", "hue")
    assert build_evaluators(["control-brief"], context)["control-brief"].properties == ("contrast", "warmth")  # type: ignore[attr-defined]


def test_both_commands_hand_the_files_on(run: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluation, calibration = ModuleType("majolica.eval.run"), ModuleType("majolica.eval.calibrate")
    told: list[Any] = []

    def note(files: tuple[Path, ...]) -> dict[str, float]:
        told.append(files)
        return {}

    vars(evaluation)["evaluate"] = lambda request, *_: note(request.property_files)
    vars(calibration)["calibrate_run"] = lambda run, processes, progress, files, say: note(files)
    vars(calibration)["describe_corrections"] = lambda found, run: []
    monkeypatch.setitem(sys.modules, "majolica.eval.run", evaluation)
    monkeypatch.setitem(sys.modules, "majolica.eval.calibrate", calibration)
    for command in ("eval", "calibrate"):
        assert cli.main([command, str(run), "--property", str(file), "--property", "other.py"]) == 0
    assert told == [(file, Path("other.py"))] * 2
    assert Pipeline.load(run).properties == ("contrast", "warmth")
