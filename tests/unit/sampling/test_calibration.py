"""Requests are corrected so that pictures measure what is wanted."""

from pathlib import Path

import numpy as np
import pytest
import torch

from majolica.errors import UserError
from majolica.models.adapter import PropertyAdapter
from majolica.properties import registry
from majolica.properties.property import Property
from majolica.sampling.calibration import (
    FILE,
    Response,
    correct_values,
    load_calibration,
    save_calibration,
)
from majolica.sampling.pipeline import Pipeline
from tiny import TINY

BASE = "a" * 64


DULL = {"brightness": Response((0.1, 0.5, 0.9), (0.3, 0.5, 0.6))}
TURNED = {"hue": Response((0.0, 120.0, 240.0), (20.0, 150.0, 250.0))}


def test_a_response_is_followed_backwards() -> None:
    found = correct_values("brightness", [0.3, 0.4, 0.5, 0.55, 0.6], DULL)
    assert found == pytest.approx([0.1, 0.3, 0.5, 0.7, 0.9])


def test_beyond_its_reach_the_nearest_end_is_asked_for() -> None:
    assert correct_values("brightness", [0.1, 0.9], DULL) == pytest.approx([0.1, 0.9])


def test_a_flat_part_asks_for_its_first_value() -> None:
    flat = {"brightness": Response((0.1, 0.4, 0.7, 0.9), (0.2, 0.5, 0.5, 0.8))}
    assert correct_values("brightness", 0.5, flat) == pytest.approx(0.4)


def test_angles_are_followed_around_the_circle() -> None:
    found = correct_values("hue", [20.0, 150.0, 250.0, 315.0, 10.0], TURNED)
    assert found == pytest.approx([0.0, 120.0, 240.0, 300.0, 240 + 120 * 120 / 130])
    assert correct_values("hue", 380.0, TURNED) == pytest.approx(0.0)


def test_angles_stay_in_a_range_that_does_not_begin_at_0(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = Property("degrees", -180.0, 180.0, lambda x: x.mean((1, 2, 3)), circular=True)
    monkeypatch.setitem(registry._ADDED, "turn", entry)
    straight = {"turn": Response((-180.0, -90.0, 0.0, 90.0), (-180.0, -90.0, 0.0, 90.0))}
    wanted = [-10.0, -90.0, 100.0]
    found = correct_values("turn", wanted, straight)
    assert found == pytest.approx(wanted)
    codes = PropertyAdapter("turn", TINY).encode(torch.from_numpy(np.stack((wanted, found))).float().flatten())
    assert torch.allclose(codes[:3], codes[3:], atol=1e-5)


def test_a_property_without_a_response_is_asked_for_as_it_is() -> None:
    assert correct_values("contrast", [0.1, 0.2], DULL).tolist() == [0.1, 0.2]


def test_they_are_kept(tmp_path: Path) -> None:
    assert load_calibration(tmp_path, BASE) == {}
    save_calibration(tmp_path, DULL | TURNED, BASE)
    assert load_calibration(tmp_path, BASE) == DULL | TURNED
    assert load_calibration(tmp_path, "other weights") is None


def test_a_response_goes_around_the_circle_once_at_most() -> None:
    far = {"hue": Response((0.0, 120.0, 240.0), (-50.0, 100.0, 380.0))}
    requests = correct_values("hue", [12.0, 16.0, 20.0, 24.0], far)
    turned = (np.diff(requests) + 180) % 360 - 180
    assert (turned >= 0).all() and turned.max() < 30


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[1]",
        '{"responses": {}}',
        '{"base": "a", "responses": {"hue": {"requested": [1, 2]}}}',
        '{"base": "a", "responses": {"hue": {"requested": [1, 2], "measured": [2, 1]}}}',
        '{"base": "a", "responses": {"hue": {"requested": [1, 2], "measured": [NaN, 1]}}}',
        '{"base": "a", "responses": {"hue": {"requested": [1, 1], "measured": [1, 2]}}}',
        '{"base": "a", "responses": {"hue": {"requested": ["a", "b"], "measured": [1, 2]}}}',
    ],
)
def test_a_damaged_file_is_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content)
    with pytest.raises(UserError, match=rf"{FILE} cannot be read .*majolica calibrate"):
        load_calibration(tmp_path, BASE)


def test_the_pipeline_asks_for_the_corrected_value(pipeline: Pipeline) -> None:
    wanted, request = {"brightness": 0.4}, {"brightness": float(np.float32(0.3))}
    plain = pipeline.paint("a fox", properties=request, steps=2, project=False)
    pipeline.calibration = DULL
    assert torch.equal(plain, pipeline.paint("a fox", properties=wanted, steps=2, project=False))
    assert torch.equal(plain, pipeline.paint("a fox", properties=request, steps=2, raw=True, project=False))


def test_percentiles_are_those_of_the_training_pictures(pipeline: Pipeline) -> None:
    by_value = pipeline.paint("a fox", properties={"contrast": 0.2}, steps=2)  # the middle of an even scale
    assert torch.equal(by_value, pipeline.paint("a fox", properties={"contrast": "p50"}, steps=2))


@pytest.mark.parametrize("text", ["p101", "90", "p", "pp5", "p-1", "high"])
def test_what_is_no_percentile_is_said(pipeline: Pipeline, text: str) -> None:
    with pytest.raises(UserError, match=r"contrast is .*: give a number, or a percentile"):
        pipeline.paint("a fox", properties={"contrast": text})
