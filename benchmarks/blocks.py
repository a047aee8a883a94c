"""Transformer blocks of ours, of diffusers and of timm, of the same width, heads and hidden units."""

from __future__ import annotations

import importlib.machinery
import sys
from collections.abc import Callable
from typing import Any
from unittest.mock import MagicMock

import torch
from torch import Tensor

from benchmarks.timing import Step
from majolica.config.schema import ModelConfig
from majolica.models.layers import swiglu_hidden
from majolica.models.trunk import Block


def forward_backward(function: Callable[[Tensor], Tensor], x: Tensor) -> Step:
    """One pass with a gradient of ones."""

    def run() -> None:
        out = function(x)
        torch.autograd.backward(out, torch.ones_like(out))

    return run


def block_steps(config: ModelConfig, rows: int, device: torch.device) -> tuple[dict[str, Step], dict[str, str]]:
    """Blocks of ours and of others with the same width, heads and hidden units; and why some are missing."""
    width, heads, hidden = config.width, config.heads, swiglu_hidden(config.width)
    tokens = (config.resolution // config.patch) ** 2
    x = torch.randn(rows, tokens, width, device=device, requires_grad=True)
    text = torch.randn(rows, config.text.length, config.text.width, device=device)
    mask = torch.ones(rows, config.text.length, dtype=torch.bool, device=device)
    modulation = torch.randn(rows, 6, width, device=device)
    rope = torch.polar(torch.ones(tokens, width // heads // 2), torch.rand(tokens, width // heads // 2)).to(device)
    see, paint = Block(width, heads).to(device), Block(width, heads, config.text.width).to(device)
    steps: dict[str, Step] = {
        "see": forward_backward(lambda x: see(x, modulation, rope), x),
        "paint": forward_backward(lambda x: paint(x, modulation, rope, (text, mask)), x),
    }
    missing: dict[str, str] = {}
    try:
        from diffusers.models.attention import BasicTransformerBlock

        pixart = BasicTransformerBlock(
            dim=width,
            num_attention_heads=heads,
            attention_head_dim=width // heads,
            cross_attention_dim=config.text.width,
            activation_fn="geglu",
            norm_type="ada_norm_single",
            norm_elementwise_affine=False,
            attention_bias=False,
            ff_inner_dim=hidden,
        ).to(device)
        bias = torch.zeros(rows, 1, config.text.length, device=device)
        flat = modulation.flatten(1)
        steps["diffusers"] = forward_backward(
            lambda x: pixart(x, encoder_hidden_states=text, encoder_attention_mask=bias, timestep=flat), x
        )
    except ImportError as error:
        missing["diffusers"] = str(error)
    try:
        stand_in_for_torchvision()
        from timm.layers import SwiGLU
        from timm.models.vision_transformer import Block as TimmBlock

        vit = TimmBlock(width, heads, mlp_ratio=hidden / width, qk_norm=True, mlp_layer=SwiGLU).to(device)
        steps["timm"] = forward_backward(vit, x)
    except ImportError as error:
        missing["timm"] = str(error)
    return steps, missing


def stand_in_for_torchvision() -> None:
    """timm imports torchvision, whose wheel does not import beside CPU torch, for what its blocks do not use."""
    if "torchvision" in sys.modules or importlib.machinery.PathFinder.find_spec("torchvision"):
        return

    class Finder:
        @staticmethod
        def find_spec(name: str, path: object = None, target: object = None) -> importlib.machinery.ModuleSpec | None:
            ours = name.split(".")[0] == "torchvision"
            return importlib.machinery.ModuleSpec(name, Finder, is_package=True) if ours else None  # type: ignore[arg-type]

        @staticmethod
        def create_module(spec: importlib.machinery.ModuleSpec) -> Any:
            return MagicMock(name=spec.name)

        @staticmethod
        def exec_module(module: object) -> None: ...

    sys.meta_path.append(Finder)  # type: ignore[arg-type]
