"""Transformer blocks of ours, of diffusers and of timm, of the same width, heads and hidden units."""

from __future__ import annotations

import importlib.machinery
import statistics
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from unittest.mock import MagicMock

import torch
from torch import Tensor

from benchmarks.timing import Step, median_ratio
from majolica.config.model import ModelConfig
from majolica.models import trunk
from majolica.models.layers import swiglu_hidden
from majolica.models.precision import Precision, autocast, set_attention_by_products

Block = Callable[[Tensor], Tensor]


def list_steps(blocks: Mapping[str, Block], x: Tensor, precision: Precision, compiled: bool) -> dict[str, Step]:
    """Each block forward and backward, as it is and, where asked for, as torch.compile makes it."""
    steps = {name: forward_backward(block, x, precision) for name, block in blocks.items()}
    if compiled:
        made = {name: torch.compile(block) for name, block in blocks.items()}
        steps |= {f"{name}, compiled": forward_backward(block, x, precision) for name, block in made.items()}
    return steps


def forward_backward(block: Block, x: Tensor, precision: Precision) -> Step:
    """One pass with a gradient of ones."""

    def run() -> None:
        with autocast(precision, x.device):
            out = block(x)
        torch.autograd.backward(out, torch.ones_like(out))

    return run


def times_as_fast(seconds: Mapping[str, list[float]], ours: str, theirs: str) -> float:
    """The quicker of their ways over the quicker of ours, compiled or not."""

    def best(name: str) -> list[float]:
        return min((seconds[way] for way in (name, f"{name}, compiled") if way in seconds), key=statistics.median)

    return median_ratio(best(theirs), best(ours))


@dataclass(frozen=True)
class Inputs:
    """What blocks of one size are given: tokens, a condition with its mask, and the modulation of adaLN."""

    x: Tensor
    text: Tensor
    mask: Tensor
    modulation: Tensor


def own_blocks(config: ModelConfig, rows: int, device: torch.device) -> tuple[dict[str, Block], Inputs]:
    """A block of each half of our trunk, and inputs of the model's size."""
    width, heads = config.width, config.heads
    tokens = (config.resolution // config.patch) ** 2
    given = Inputs(
        x=torch.randn(rows, tokens, width, device=device, requires_grad=True),
        text=torch.randn(rows, config.text.length, config.text.width, device=device),
        mask=torch.ones(rows, config.text.length, dtype=torch.bool, device=device),
        modulation=torch.randn(rows, 6, width, device=device),
    )
    rope = torch.polar(torch.ones(tokens, width // heads // 2), torch.rand(tokens, width // heads // 2)).to(device)
    see, paint = trunk.Block(width, heads).to(device), trunk.Block(width, heads, config.text.width).to(device)
    for block in (see, paint):  # as training does
        set_attention_by_products(block, device)
    blocks: dict[str, Block] = {
        "see": lambda x: see(x, given.modulation, rope),
        "paint": lambda x: paint(x, given.modulation, rope, (given.text, given.mask)),
    }
    return blocks, given


def same_size(config: ModelConfig, rows: int, device: torch.device) -> tuple[dict[str, Block], Tensor, dict[str, str]]:
    """Blocks of ours and of others with the same width, heads and hidden units; their input; why some are missing."""
    width, heads, hidden = config.width, config.heads, swiglu_hidden(config.width)
    blocks, given = own_blocks(config, rows, device)
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
        flat = given.modulation.flatten(1)
        blocks["diffusers"] = lambda x: pixart(
            x, encoder_hidden_states=given.text, encoder_attention_mask=bias, timestep=flat
        )
    except ImportError as error:
        missing["diffusers"] = str(error)
    try:
        stand_in_for_torchvision()
        from timm.layers import SwiGLU
        from timm.models.vision_transformer import Block as TimmBlock

        blocks["timm"] = TimmBlock(width, heads, mlp_ratio=hidden / width, qk_norm=True, mlp_layer=SwiGLU).to(device)
    except ImportError as error:
        missing["timm"] = str(error)
    return blocks, given.x, missing


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
