"""Recipes for web-scale photographs at 256 px: from one GPU to the reference system's 64.

Sizes follow the usual ladder of vision transformers (S 384x12, B 768x12, L 1024x24). Half of the blocks are in the
perception trunk and half in the synthesis trunk. Optimiser, noise and preprocessing are those of the reference, but for
the peak learning rate.
"""

from __future__ import annotations

from dataclasses import replace

from majolica.config.model import ModelConfig, TextConfig
from majolica.config.run import RunConfig
from majolica.config.training import OptimConfig, TrainConfig


def reference() -> RunConfig:
    """The reference system: 2.5 B parameters, 64 GPUs, 1.5 B pairs. It is the defaults of every field."""
    return RunConfig(recipe="reference")


def small() -> RunConfig:
    """S: 384x12, one GPU."""
    return _photographs(
        "small",
        _trunk(width=384, heads=6, depth=12, bottleneck=128, embed=384),
        TextConfig(width=384, depth=6, heads=6),
        OptimConfig(lr=4e-4),
        TrainConfig(steps=200_000, batch=256, accumulate=2, processes=0, precision="auto"),
    )


def base() -> RunConfig:
    """B: 768x12, eight GPUs."""
    return _photographs(
        "base",
        _trunk(width=768, heads=12, depth=12, bottleneck=128, embed=512),
        TextConfig(width=512, depth=12, heads=8),
        OptimConfig(lr=4e-4),
        TrainConfig(steps=300_000, batch=128, accumulate=2, processes=8),
    )


def large() -> RunConfig:
    """L: 1024x24, sixteen GPUs."""
    return _photographs(
        "large",
        _trunk(width=1024, heads=16, depth=24, bottleneck=128, embed=768),
        TextConfig(width=768, depth=12, heads=12),
        OptimConfig(lr=2e-4),
        TrainConfig(steps=366_000, batch=64, accumulate=2, processes=16),
    )


def xlarge() -> RunConfig:
    """XL: 1536x28, thirty-two GPUs."""
    return _photographs(
        "xlarge",
        _trunk(width=1536, heads=24, depth=28, bottleneck=256, embed=1024),
        TextConfig(width=1024, depth=16, heads=16),
        OptimConfig(lr=1e-4),
        TrainConfig(steps=366_000, batch=32, accumulate=4, processes=32),
    )


def _trunk(width: int, heads: int, depth: int, bottleneck: int, embed: int) -> ModelConfig:
    half = depth // 2
    return ModelConfig(
        width=width,
        heads=heads,
        perception_depth=half,
        synthesis_depth=depth - half,
        bottleneck=bottleneck,
        embed=embed,
    )


def _photographs(name: str, model: ModelConfig, text: TextConfig, optim: OptimConfig, train: TrainConfig) -> RunConfig:
    return RunConfig(recipe=name, model=replace(model, text=text), optim=optim, train=train)
