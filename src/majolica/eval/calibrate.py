"""Measures how the pictures of a run respond to each property, so that requests can be corrected.

Shapes: V requested values, B pictures at each.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from majolica.callbacks import ReportProgress, ignore_progress
from majolica.config.io import load_config
from majolica.errors import UserError
from majolica.eval.brush import Brush
from majolica.eval.control.statistics import FloatArray, deviation
from majolica.eval.control.sweep import choose_values, paint_sweep
from majolica.eval.painters import Painters, Workload
from majolica.eval.protocol import EvalData, PipelineLike
from majolica.eval.run_data import load_run_data
from majolica.eval.user_properties import load_with_measures
from majolica.eval.workers import open_workers
from majolica.machine import cores
from majolica.properties.property import Property
from majolica.properties.registry import choose_measured, explain_unmeasured, find_property
from majolica.run.weights import choose_checkpoint
from majolica.sampling.calibration import FILE, Response, correct_values, save_calibration

VALUES = 9
"""Requested values at which a response is measured."""
WIDER = 0.2
"""They reach further than those of real pictures, by this share of their distance on either side."""
CHECKED = 6
"""Values at which the error is measured before and after, on other prompts and seeds."""


@dataclasses.dataclass(frozen=True)
class Correction:
    """The response of one property, and its error without and with the correction.

    Errors are means of |wanted - measured| as a share of the range.
    """

    response: Response
    before: float
    after: float


def calibrate_run(
    run: Path,
    processes: int = 0,
    progress: ReportProgress = ignore_progress,
    property_files: Sequence[Path] = (),
    say: Callable[[str], None] = lambda message: None,
) -> dict[str, Correction]:
    """Measure the responses of a run, write its `calibration.json`, and return what was found.

    `property_files` measure the user's own properties that the run was taught; `say` hears which others are left out,
    which keep the response that was measured before, and which checkpoints are passed over.
    Raises UserError if the run has no properties, or if it, its data or a file cannot be read.
    """
    config, place = load_config(run / "config.yaml"), choose_checkpoint(run, say)
    trained = load_with_measures(place, property_files)
    unmeasured = explain_unmeasured(trained.properties)
    for name, reason in unmeasured.items():
        say(f"{name} is left out: {reason}")
    names = choose_measured(trained.properties)
    if not names:
        raise UserError(f"{run} has no properties that are measured on pictures, so there is nothing to calibrate")
    data = load_run_data(config)
    count = processes or (1 if torch.cuda.is_available() else min(cores(), 8))
    prompts = data.plain_prompts(32)
    pictures = len(names) * (VALUES * len(prompts[::2]) + 2 * CHECKED * len(prompts[1::2]))
    with open_workers(place, count, property_files) as workers:
        tally = Workload(pictures, progress)
        pipeline = Painters(trained, config.model.resolution, workers, tally)
        found = {name: correct(pipeline, name, prompts, data) for name in names}
    kept = {name: trained.calibration[name] for name in unmeasured if name in trained.calibration}
    save_calibration(run, kept | {name: each.response for name, each in found.items()}, trained.weights_sha256)
    return found


def correct(pipeline: PipelineLike, name: str, prompts: Sequence[str], data: EvalData) -> Correction:
    """Measure the response of one property, on every second prompt, and the errors on the others."""
    entry = find_property(name)
    sweep = paint_sweep(pipeline, name, prompts[::2], _choose_requests(name, data), Brush(seed=1_000), plain=True)
    response = fit_response(entry, sweep.requested_V, sweep.measurements(name))
    others, wanted_V = prompts[1::2] or prompts, choose_values(name, data, CHECKED)
    errors = []
    for asked_V in (wanted_V, correct_values(name, wanted_V, {name: response})):
        check = paint_sweep(pipeline, name, others, asked_V, Brush(seed=2_000), plain=True)
        errors.append(float(deviation(wanted_V[:, None], check.measurements(name), entry).mean()))
    return Correction(response, *errors)


def _choose_requests(name: str, data: EvalData) -> FloatArray:
    """Values to ask for: somewhat further than those of real pictures, within the range of the property."""
    entry, values = find_property(name), choose_values(name, data, VALUES)
    if entry.circular:
        return values
    more = WIDER * (values[-1] - values[0])
    return np.linspace(max(entry.low, values[0] - more), min(entry.high, values[-1] + more), VALUES)


def fit_response(entry: Property, requested_V: FloatArray, measured_VB: FloatArray) -> Response:
    """The ascending response that is nearest to the mean measured values, by least squares.

    Pictures without a value are left out; a request at which none has one is left out too.
    """
    known = np.isfinite(measured_VB).any(1)
    requested_V, measured_VB = requested_V[known], measured_VB[known]
    if entry.circular:
        # The mean turn away from the request, so that the response goes once around with it.
        away_VB = np.deg2rad((measured_VB - requested_V[:, None]) * 360 / entry.span)
        turn_V = np.rad2deg(np.arctan2(np.nanmean(np.sin(away_VB), 1), np.nanmean(np.cos(away_VB), 1)))
        measured_V = requested_V + turn_V * entry.span / 360
    else:
        measured_V = np.nanmean(measured_VB, 1)
    if len(measured_V) < 2:
        return Response((entry.low, entry.high), (entry.low, entry.high))
    return Response(tuple(requested_V.tolist()), tuple(regress_ascending(measured_V).tolist()))


def regress_ascending(values: FloatArray) -> FloatArray:
    """Isotonic regression by pooling adjacent violators: the ascending values that are nearest by least squares.

    Source: Barlow et al., "Statistical inference under order restrictions", 1972.
    """
    pools: list[tuple[float, int]] = []  # the mean of neighbours that have become equal, and how many they are
    for value in values.tolist():
        mean, count = value, 1
        while pools and pools[-1][0] >= mean:
            before, size = pools.pop()
            mean, count = (before * size + mean * count) / (size + count), size + count
        pools.append((mean, count))
    return np.concatenate([np.full(count, mean) for mean, count in pools])


def describe_corrections(found: dict[str, Correction], run: Path) -> list[str]:
    """Lines that say what was found, for a terminal."""
    width = max(map(len, found))
    lines = [f"{'property':{width}}  pictures measure      error  corrected  (mean, as a share of the range)"]
    for name, each in found.items():
        reach = f"{each.response.measured[0]:.3g} to {each.response.measured[-1]:.3g}"
        lines.append(f"{name:{width}}  {reach:20} {each.before:6.3f}  {each.after:9.3f}")
    return [*lines, f"written to {run / FILE}; `majolica generate --raw` paints without it"]
