"""The precision of a model in use: what it trained in, where the device is quick at it."""

import dataclasses

import pytest
import torch

from majolica.config.run import RunConfig
from majolica.models import precision
from majolica.models.majolica import Majolica
from majolica.models.precision import Precision, autocast_in_use
from majolica.sampling.pipeline import Pipeline
from majolica.text.tokenizer import Tokenizer, train_tokenizer
from tiny import TINY

CPU = torch.device("cpu")


@pytest.mark.parametrize("quick", [True, False])
@pytest.mark.parametrize("trained", ["fp32", "bf16", "fp8"])
def test_bfloat16_where_it_was_trained_and_is_quick(
    trained: Precision, quick: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "has_bf16", lambda device: quick)
    with autocast_in_use(trained, CPU):
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert product.dtype == (torch.bfloat16 if quick and trained != "fp32" else torch.float32)


def test_pictures_and_embeddings_barely_change(
    tiny: Majolica, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In bfloat16 all outputs stay float32 or uint8 and near those of fp32; the products themselves do change."""
    path = tmp_path_factory.mktemp("precision") / "tokenizer.model"
    train_tokenizer(["a fox", "an owl"], path, 300)
    config = dataclasses.replace(RunConfig(), model=TINY)
    model = Pipeline(tiny, Tokenizer(path), config, CPU)
    images = torch.rand(2, 3, 16, 16)
    found = {}
    for quick in (False, True):
        monkeypatch.setattr(precision, "has_bf16", lambda device, quick=quick: quick)
        found[quick] = model.paint("a fox", steps=4).int(), model.embed_images(images), model.embed_texts("a fox")
    for full, half in zip(found[False], found[True], strict=True):
        assert full.dtype == half.dtype and not torch.equal(full, half)
    painted, seen, read = ((full - half).abs() for full, half in zip(found[False], found[True], strict=True))
    assert painted.float().mean() < 2 and seen.max() < 0.03 and read.max() < 0.03
