"""Responses that are measured on painters whose response is known."""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import isotonic_regression
from torch import Tensor

from majolica.config.io import save_config
from majolica.config.run import RunConfig
from majolica.eval import calibrate
from majolica.eval.calibrate import correct, fit_response, regress_ascending
from majolica.eval.protocol import EvalData
from majolica.properties.registry import find_property
from majolica.run.checkpoint import Saved, save_checkpoint
from majolica.sampling.calibration import correct_values
from majolica.sampling.request import PaintRequest

BRIGHTNESS, HUE = find_property("brightness"), find_property("hue")


class Eager:
    """Paints plain grey of a brightness that follows the request too much."""

    def __init__(self) -> None:
        self.calls: list[PaintRequest] = []

    def paint_request(self, request: PaintRequest) -> Tensor:
        self.calls.append(request)
        level = -0.06 + 1.3 * float(request.properties["brightness"])
        return torch.full((len(request.prompts), 3, 8, 8), round(255 * level), dtype=torch.uint8)


def test_an_eager_painter_is_corrected(data: EvalData) -> None:
    painter: Any = Eager()
    found = correct(painter, "brightness", ["a fox", "an owl", "a cat", "a dog"], data)
    assert found.before > 0.02 and found.after < 0.005
    assert all(call.raw and not call.project for call in painter.calls)
    prompts = [set(call.prompts) for call in painter.calls]
    assert prompts == [{"a fox", "a cat"}] * 9 + [{"an owl", "a dog"}] * 12  # the error is not that of the fit


def test_all_processes_calibrate_the_same_checkpoint(
    tmp_path: Path, data: EvalData, pipeline: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if the run is trained meanwhile, and has a newer one when they begin."""
    save_config(RunConfig(), tmp_path / "config.yaml")
    checkpoint = save_checkpoint(tmp_path, 3, Saved({"ema": {"x": torch.zeros(1)}}, {}), keep=1)
    places: list[Path] = []

    def load(place: Path, files: Sequence[Path]) -> Any:
        places.append(place)
        save_checkpoint(tmp_path, 4, Saved({"ema": {"x": torch.ones(1)}}, {}), keep=2)
        return pipeline()

    def begin_no_workers(place: Path, count: int, files: Sequence[Path]) -> Any:
        places.append(place)
        return nullcontext()

    monkeypatch.setattr(calibrate, "load_with_measures", load)
    monkeypatch.setattr(calibrate, "open_workers", begin_no_workers)
    monkeypatch.setattr(calibrate, "load_run_data", lambda config: data)
    assert list(calibrate.calibrate_run(tmp_path, 2)) == ["brightness"]
    assert places == [checkpoint, checkpoint]


@pytest.mark.parametrize("seed", range(5))
def test_isotonic_regression_is_that_of_scipy(seed: int) -> None:
    values = np.random.default_rng(seed).normal(np.linspace(0, 2, 30), 1)
    np.testing.assert_allclose(regress_ascending(values), isotonic_regression(values).x, rtol=1e-12)


def test_the_response_of_angles_goes_around_with_them() -> None:
    requested = np.arange(0, 360, 40.0)
    measured = (requested[:, None] + np.array([[50.0, 70.0, np.nan]])) % 360
    response = fit_response(HUE, requested, measured)
    assert response.measured == pytest.approx(requested + 60)
    assert correct_values("hue", 60.0, {"hue": response}) == pytest.approx(0, abs=1e-9)


def test_requests_that_no_picture_answers_are_left_out() -> None:
    response = fit_response(BRIGHTNESS, np.array([0.1, 0.5, 0.9]), np.array([[np.nan], [0.4], [0.8]]))
    assert response.requested == (0.5, 0.9)
    nothing = fit_response(BRIGHTNESS, np.array([0.1, 0.5]), np.full((2, 3), np.nan))
    assert correct_values("brightness", 0.3, {"brightness": nothing}) == pytest.approx(0.3)
