"""A model small enough to run in milliseconds."""

import torch

from majolica.config.schema import DecoderConfig, ModelConfig, TextConfig

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
