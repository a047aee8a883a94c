"""Paths of a configuration are made absolute, so that they mean the same from every folder."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from majolica.config.evaluation import CLIP_TEMPLATES, EvaluatorConfig
from majolica.config.run import RunConfig


def make_paths_absolute(config: RunConfig) -> RunConfig:
    """Return `config` with its local paths made absolute, from the current folder.

    They are those of data, first weights, schedule and evaluators. URLs stay as they are.
    """
    data = config.data
    sources = tuple(dataclasses.replace(source, shards=_absolute(source.shards)) for source in data.sources)
    data = dataclasses.replace(
        data,
        shards=_absolute(data.shards),
        sources=sources,
        heldout=_absolute(data.heldout),
        tokenizer=_absolute(data.tokenizer),
        remote_cache=_absolute(data.remote_cache),
    )
    train = dataclasses.replace(
        config.train,
        init_from=_absolute(config.train.init_from),
        schedule_from=_absolute(config.train.schedule_from),
        evaluators=tuple(map(_make_evaluator_absolute, config.train.evaluators)),
    )
    return dataclasses.replace(config, data=data, train=train)


def _make_evaluator_absolute(options: EvaluatorConfig) -> EvaluatorConfig:
    templates = options.templates if options.templates == CLIP_TEMPLATES else _absolute(options.templates)
    return dataclasses.replace(
        options,
        data=_absolute(options.data),
        labels=_absolute(options.labels),
        templates=templates,
        weights=_absolute(options.weights),
        ids=_absolute(options.ids),
    )


def _absolute(path: str) -> str:
    """Make a path absolute. Links are not resolved, because what they point to may move."""
    return str(Path(path).absolute()) if path and "://" not in path else path
