"""A model small enough to run in milliseconds, and a run of one."""

import dataclasses
from pathlib import Path

import torch
from safetensors.torch import load_file

from majolica.config.data import DataConfig
from majolica.config.loss import LossConfig
from majolica.config.model import DecoderConfig, ModelConfig, TextConfig
from majolica.config.run import RunConfig
from majolica.config.training import OptimConfig, TrainConfig

TINY = ModelConfig(
    resolution=16,
    patch=4,
    width=32,
    heads=2,
    perception_depth=1,
    synthesis_depth=2,
    bottleneck=16,
    registers=2,
    embed=16,
    text=TextConfig(vocab=300, length=8, width=32, depth=1, heads=2),
    decoder=DecoderConfig(width=8, depth=1),
)


def awake(model: torch.nn.Module) -> torch.nn.Module:
    """Give zero-initialised layers values, so that nothing is equal merely because it is zero."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for value in model.parameters():
            if value.abs().sum() == 0:
                value.copy_(0.1 * torch.randn(value.shape, generator=generator))
    return model


def tiny_run(shards: Path, steps: int = 6) -> RunConfig:
    text = dataclasses.replace(TINY.text, vocab=320, length=12)
    model = dataclasses.replace(TINY, synthesis_depth=1, registers=ModelConfig().registers, text=text)
    return RunConfig(
        recipe="tiny",
        model=model,
        data=DataConfig(shards=str(shards), threads=2),
        loss=LossConfig(clean_share=0.5, clean_share_end=0.25, fine_share=0.5),
        optim=OptimConfig(lr=1e-3, warmup=2, muon_lr=0.01, ema=0.9),
        train=TrainConfig(
            steps=steps,
            batch=8,
            accumulate=2,
            processes=1,
            threads=1,
            precision="fp32",
            reduce="fp32",
            checkpoint_every=3,
            log_every=2,
            sample_every=0,
            heldout_every=0,
            eval_every=0,
            evaluators=(),
        ),
    )


def weights(run: Path, step: int) -> dict[str, torch.Tensor]:
    """Every tensor of a run's checkpoint, named by its file and its own name."""
    folder = run / "checkpoints" / f"{step:08d}"
    return {
        f"{path.stem}.{name}": value.clone()
        for path in folder.glob("*.safetensors")
        for name, value in load_file(path).items()
    }


CAPTIONS = ("a fox", "an owl", "a cat", "a picture of a fox on a teal background", "a drawing", "an illustration")
"""Captions from which a small vocabulary is learned."""
