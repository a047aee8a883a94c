"""A run that is loaded leaves out the calibration of an adapter that was taught anew, and says so."""

import warnings
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from majolica.adapters.card import AdapterCard
from majolica.adapters.store import save_adapter
from majolica.config.io import save_config
from majolica.config.run import RunConfig
from majolica.errors import Notice
from majolica.models.adapter import PropertyAdapter
from majolica.models.majolica import Majolica
from majolica.properties.quantiles import save_quantiles, spread_evenly
from majolica.properties.registry import find_property
from majolica.run.checkpoint import Saved, save_checkpoint
from majolica.run.weights import load_averaged
from majolica.sampling.calibration import Response, save_calibration
from majolica.sampling.pipeline import Pipeline
from majolica.text.tokenizer import Tokenizer, train_tokenizer
from tiny import CAPTIONS, TINY, awake

FOUND = {
    "contrast": Response((0.1, 0.3), (0.15, 0.25)),
    "sharpness": Response((0.1, 0.7), (0.2, 0.5)),
}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run with contrast."""
    model = replace(TINY, properties=("contrast",))
    train_tokenizer(CAPTIONS, tmp_path / "tokenizer.model", 300)
    text = replace(TINY.text, vocab=Tokenizer(tmp_path / "tokenizer.model").vocab)
    save_config(replace(RunConfig(), model=model), tmp_path / "config.yaml")
    state = dict(awake(Majolica(replace(model, text=text))).state_dict())
    save_checkpoint(tmp_path, 1, Saved({"ema": state}, {}), keep=1)
    save_quantiles(tmp_path, {"contrast": spread_evenly(find_property("contrast"))})
    return tmp_path


def teach(run: Path, base: str, seed: int) -> None:
    torch.manual_seed(seed)
    adapter = awake(PropertyAdapter("sharpness", TINY))
    torch.nn.init.normal_(adapter.offsets)  # type: ignore[arg-type]
    card = AdapterCard("sharpness", "share", 0.0, 0.8, False, "built in", base, [], 10, 0.001, 5, 320, 1.0)
    save_adapter(run / "adapters" / "sharpness.safetensors", adapter, card)  # type: ignore[arg-type]


def test_of_an_adapter_that_was_taught_anew_it_is_left_out(run: Path) -> None:
    base = load_averaged(run).sha256
    teach(run, base, seed=1)
    save_calibration(run, FOUND, base)
    with warnings.catch_warnings():
        warnings.simplefilter("error", Notice)
        kept = Pipeline.load(run, "cpu").calibration
    assert {name: (each.requested, each.measured) for name, each in kept.items()} == {
        name: (each.requested, each.measured) for name, each in FOUND.items()
    }
    teach(run, base, seed=2)
    with pytest.warns(Notice, match="calibration of sharpness in .* is for another adapter of it: make it anew"):
        left = Pipeline.load(run, "cpu").calibration
    assert left == {"contrast": FOUND["contrast"]}
    (run / "adapters" / "sharpness.safetensors").unlink()
    with warnings.catch_warnings():
        warnings.simplefilter("error", Notice)
        Pipeline.load(run, "cpu")
