"""The model of a run folder with its averaged weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from majolica.config.model import ModelConfig
from majolica.errors import UserError
from majolica.models.initialise import materialise, set_constants
from majolica.models.majolica import Majolica
from majolica.properties.quantiles import load_categories, load_quantiles


def restore_model(run: Path, weights: Mapping[str, Tensor], config: ModelConfig, vocab: int) -> Majolica:
    """The model of a run with averaged weights, on the CPU, for a tokenizer with `vocab` pieces.

    Raises UserError where the weights do not fit the run's configuration.
    """
    with torch.device("meta"):  # first weights would take time to draw, and the run's replace all of them
        model = Majolica(dataclasses.replace(config, text=dataclasses.replace(config.text, vocab=vocab)))
    materialise(model, torch.device("cpu"))
    set_constants(model)
    model.conditions.quantiles.copy_(load_quantiles(run, config.properties))
    model.conditions.categories = load_categories(run, config.properties)
    try:
        missing, unexpected = model.load_state_dict(weights, strict=False)
    except RuntimeError as error:
        raise UserError(f"the weights in {run} do not fit its config.yaml ({error})") from error
    if missing or unexpected:
        names = ", ".join([*missing, *unexpected][:3])
        raise UserError(f"the weights in {run} do not fit its config.yaml ({names})")
    return model
