"""A pipeline of a tiny model."""

import dataclasses

import pytest
import torch

from majolica.config.loss import LossConfig
from majolica.config.run import RunConfig
from majolica.models.majolica import Majolica
from majolica.sampling.pipeline import Pipeline
from majolica.text.tokenizer import Tokenizer, train_tokenizer
from tiny import CAPTIONS, TINY


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    path = tmp_path_factory.mktemp("pipeline") / "tokenizer.model"
    train_tokenizer(CAPTIONS, path, 300)
    return Tokenizer(path)


@pytest.fixture
def pipeline(tiny: Majolica, tokenizer: Tokenizer) -> Pipeline:
    """Of a run that painted at twice its resolution, and reads eight pieces."""
    loss = LossConfig(fine_share=0.25, fine_scales=(2,))
    return Pipeline(tiny, tokenizer, dataclasses.replace(RunConfig(), model=TINY, loss=loss), torch.device("cpu"))
