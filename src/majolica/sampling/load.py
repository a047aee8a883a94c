"""From the files of a run to a model in use."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from majolica.adapters.store import fresh_adapters, load_adapters, load_reference_adapters
from majolica.config.io import load_config
from majolica.config.run_folder import config_of_run
from majolica.device import find_device
from majolica.models.precision import has_bf16, set_attention_by_products
from majolica.run.weights import home_of, load_averaged
from majolica.sampling.calibration import leave_out_others, load_calibration
from majolica.sampling.notices import warn
from majolica.sampling.pipeline import Pipeline
from majolica.sampling.restore import restore_model
from majolica.text.tokenizer import Tokenizer
from majolica.text.words import load_words


def load_pipeline(
    source: Path, device: str | None, adapters: Sequence[Path] | None, more_adapters: Sequence[Path]
) -> Pipeline:
    """The model of a run folder, of a checkpoint or of a file of weights; see `Pipeline.load`."""
    run, place = home_of(source), find_device(device)
    advice = f"no run in {run}: train one (majolica demo), or name its folder"
    config = load_config(config_of_run(run, "--run", advice))
    tokenizer, weights = Tokenizer(run / "tokenizer.model"), load_averaged(source)
    model = restore_model(run, weights.tensors, config.model, tokenizer.vocab)
    if config.train.precision != "fp32" and has_bf16(place):
        set_attention_by_products(model, place)
    files, stale = fresh_adapters(run, weights.sha256, more_adapters) if adapters is None else (adapters, [])
    files = [*files, *more_adapters]
    model.adapters = load_adapters(files, run, weights.sha256, config.model, place)
    model.reference_adapters = load_reference_adapters(files, run, weights.sha256, config.model, place)
    calibration = load_calibration(run, weights.sha256)
    if calibration is None:
        stale.append(f"the calibration of {run} is for other weights: make it anew with `majolica calibrate {run}`")
    calibration, others = leave_out_others(run, calibration or {}, files)
    warn([*stale, *others])
    return Pipeline(
        model.to(place).eval(),
        tokenizer,
        config,
        place,
        load_words(run),
        calibration,
        weights.sha256,
    )
