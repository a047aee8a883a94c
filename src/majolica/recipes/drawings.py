"""Recipes for the drawings that `majolica data openmoji` makes. The pictures are small, and a run takes minutes to an
hour."""

from __future__ import annotations

from dataclasses import replace

from majolica.config.data import DataConfig
from majolica.config.loss import LossConfig
from majolica.config.model import DecoderConfig, ModelConfig, TextConfig
from majolica.config.run import RunConfig
from majolica.config.training import OptimConfig, TrainConfig

SHARDS = "data/openmoji/train"
"""The folder that `majolica data openmoji` writes to by default."""

PROPERTIES = (
    *("brightness", "contrast", "colourfulness", "saturation", "hue", "sharpness", "edge_density"),
    *("subject_scale", "subject_x", "subject_y"),
)
"""A thing on a plain ground has all built-in properties that are measured on pixels."""

OPENMOJI_OPTIONS = {"art": "--names 845 --objects 2 --samples 40000"}
"""What a recipe's drawings need beside `majolica data openmoji --out FOLDER --resolution SIDE`."""


def demo() -> RunConfig:
    """32 drawings at 48 px, ten minutes on two CPU cores."""
    return RunConfig(
        recipe="demo",
        model=ModelConfig(
            resolution=48,
            patch=6,
            width=128,
            heads=4,
            perception_depth=2,
            synthesis_depth=4,
            bottleneck=96,
            registers=4,
            embed=128,
            logit_bias=-4.0,
            properties=PROPERTIES,
            text=TextConfig(vocab=512, length=24, width=128, depth=2, heads=4),
            decoder=DecoderConfig(width=32, depth=2),
        ),
        data=DataConfig(shards=SHARDS, threads=1, cache=True, jitter=0.05),
        loss=LossConfig(
            clean_share=0.7,
            clean_share_end=0.3,
            recolour=0.5,
            recolour_from=0.3,
            contrastive=0.5,
            drop_property=0.3,
            fine_share=0.125,
        ),
        optim=OptimConfig(lr=2e-3, lr_end=1e-5, warmup=40, muon_lr=0.02, ema=0.99),
        train=TrainConfig(
            steps=800,
            batch=128,
            accumulate=1,
            processes=0,
            precision="auto",
            reduce="fp32",
            checkpoint_every=250,
            keep=2,
            log_every=10,
            sample_every=100,
            heldout_every=100,
            heldout_pictures=64,
            eval_every=0,
            evaluators=(),
        ),
    )


def nano() -> RunConfig:
    """The smallest that learns: 32 px, 2.5 M parameters, for trying a change in a few CPU minutes."""
    start = demo()
    text = TextConfig(vocab=512, length=24, width=128, depth=2, heads=4)
    return replace(
        start,
        recipe="nano",
        model=replace(
            start.model,
            resolution=32,
            patch=4,
            width=128,
            heads=4,
            perception_depth=3,
            synthesis_depth=3,
            bottleneck=48,
            embed=128,
            text=text,
            decoder=DecoderConfig(width=24, depth=2),
        ),
        optim=replace(start.optim, warmup=30),
        train=replace(start.train, steps=300, batch=64, checkpoint_every=100),
    )


def art() -> RunConfig:
    """All 845 drawings, one or two in a picture, at 64 px: an hour or two on two CPU cores.

    Each name is in few rows of a step, so its gradient is noisy: rates are lower and steps larger than in the demo
    (docs/adr/077-many-names-want-lower-rates.md).
    """
    start = demo()
    return replace(
        start,
        recipe="art",
        model=replace(
            start.model,
            resolution=64,
            patch=8,
            bottleneck=128,
            text=replace(start.model.text, vocab=2048),
        ),
        data=replace(start.data, shards="data/art/train", threads=4, cache=False, flip=False),
        loss=replace(start.loss, clean_share=0.85, clean_share_end=0.4, recolour_from=0.6),
        optim=replace(start.optim, lr=1e-3, muon_lr=0.004, warmup=50, ema=0.995),
        train=replace(
            start.train,
            steps=5_000,
            batch=256,
            checkpoint_every=500,
            log_every=20,
            sample_every=500,
            heldout_every=200,
            heldout_pictures=256,
        ),
    )
