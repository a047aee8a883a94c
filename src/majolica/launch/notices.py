"""What a person should know of the captions and the pictures of a run before its first step."""

from __future__ import annotations

from majolica.config.resolutions import trained_sizes
from majolica.config.run import RunConfig
from majolica.data.loading.loader import Loader
from majolica.data.loading.notices import data_notices
from majolica.text.tokenizer import Tokenizer
from majolica.train.vocabulary import caption_notices


def list_notices(config: RunConfig, loader: Loader, tokenizer: Tokenizer | None) -> list[str]:
    """Return a line on each matter; those on captions need the tokenizer, which a dry run may not have yet."""
    side, *larger = trained_sizes(config)
    shapes, scale = loader.order.shapes or [(side, side)], larger[-1] // side if larger else 1
    return [
        *(caption_notices(tokenizer, loader.sets, config) if tokenizer else ()),
        *data_notices(loader.sets, config.data, shapes, scale),
    ]
