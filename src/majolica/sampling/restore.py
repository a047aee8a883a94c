"""The model of a run folder with its averaged weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from majolica.config.model import ModelConfig, with_vocabulary
from majolica.models.initialise import materialise, set_constants
from majolica.models.majolica import Majolica
from majolica.properties.quantiles import load_categories, load_quantiles
from majolica.run.companions import check_fit


def restore_model(run: Path, weights: Mapping[str, Tensor], config: ModelConfig, vocab: int) -> Majolica:
    """The model of a run with averaged weights, on the CPU, for a tokenizer with `vocab` pieces.

    Raises UserError where the weights do not fit the run's configuration.
    """
    with torch.device("meta"):  # first weights would take time to draw, and the run's replace all of them
        model = Majolica(with_vocabulary(config, vocab))
    materialise(model, torch.device("cpu"))
    set_constants(model)
    model.conditions.quantiles.copy_(load_quantiles(run, config.properties))
    model.conditions.categories = load_categories(run, config.properties)
    wanted = {name: value.shape for name, value in model.state_dict().items()}
    check_fit(run, wanted, {name: value.shape for name, value in weights.items()})
    model.load_state_dict(weights)
    return model
