"""First weights: the distribution of every parameter of the model, in one place.

The modules of the model only say which parameters there are. `Majolica` builds them on torch's `meta` device, where
they take no memory, gives them memory where they are wanted (`materialise`), and calls `initialise` once.

* Weights and biases of linear layers and convolutions: uniform within 1 / sqrt(inputs), torch's default.
* Gains of norms: 1.
* Embeddings of pieces and positions, registers, pool queries, the sink, kinds of properties: normal with a standard
  deviation of 0.02 (BERT, arXiv 1810.04805).
* adaLN projections: 0, so that every row begins with the blocks' own offsets (adaLN-zero of DiT, arXiv 2212.09748).
* The blocks' offsets: 0, but 1/2 for gates, where DiT has 0: with a few thousand steps in all, every block must work at
  once.
* What writes pixels, `to_patch` and the decoder's modulation and last convolution: 0, so that the first picture is grey
  (as the last layer of DiT).
* `logit_scale`: log 10; `logit_bias`: what the configuration says (SigLIP, arXiv 2303.15343).

All numbers are drawn on the CPU from one stream, in the order of this file, one parameter at a time. So a seed gives
the same weights on every device and on every rank, and the host never holds more than the largest parameter. The order
is that in which torch's constructors drew before there was this file; numbers that these drew in vain, for layers that
were then set to 0 and for embeddings that were drawn twice, are still drawn. So a seed gives what it has always given.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from majolica.models.conditions import HIGHEST_FREQUENCY, ConditionEncoder
from majolica.models.decoder import PixelBlock, PixelDecoder
from majolica.models.layers import (
    AttentionPool,
    CrossAttention,
    Norm,
    SelfAttention,
    SwiGLU,
    TimeEmbedding,
    fourier_frequencies,
)
from majolica.models.properties import PROPERTIES
from majolica.models.text_tower import TextBlock, TextTower
from majolica.models.trunk import GATES, Block, Modulation, Perception, Synthesis

if TYPE_CHECKING:
    from majolica.models.majolica import Majolica

STD = 0.02
"""Standard deviation of learned embeddings."""


class _Undrawn(TorchFunctionMode):
    """Draws nothing for a new layer.

    torch's layers draw their first weights when they are made. On `meta` that is in vain, and the first time it loads
    so much of torch that it takes two seconds.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__module__", "") == nn.init.__name__:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **(kwargs or {}))


@contextmanager
def without_memory() -> Iterator[None]:
    """Modules that are made here have parameters with shapes, and neither memory nor values."""
    with torch.device("meta"), _Undrawn():
        yield


def materialise(model: nn.Module, device: torch.device) -> None:
    """Give a model that was made `without_memory` memory on `device`, in place; it holds no determined values.

    `Module.to_empty` does the same, but not under FakeTensorMode, in which steps are planned.
    """
    for module in model.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            setattr(module, name, nn.Parameter(torch.empty(parameter.shape, dtype=parameter.dtype, device=device)))
        for name, constant in list(module.named_buffers(recurse=False)):
            setattr(module, name, torch.empty(constant.shape, dtype=constant.dtype, device=device))


@torch.no_grad()
def initialise(model: Majolica) -> None:
    """Set every parameter and every constant of `model` in place; the numbers come from torch's global CPU stream."""
    _text_tower(model.text_tower)
    _perception(model.perception)
    _synthesis(model.synthesis)
    _conditions(model.conditions)
    _norm(model.norm)
    _zero(model.to_patch)
    _decoder(model.decoder)
    _set(model.logit_scale, torch.tensor(10.0, device="cpu").log())
    _set(model.logit_bias, torch.tensor(model.config.logit_bias, device="cpu"))


def _text_tower(tower: TextTower) -> None:
    _normal(tower.embedding.weight)  # in vain
    _normal(tower.position)
    for block in tower.blocks:
        assert isinstance(block, TextBlock)
        _norm(block.norm_attention)
        _self_attention(block.attention)
        _norm(block.norm_mlp)
        _swiglu(block.mlp)
    _norm(tower.norm)
    _pool(tower.pool)
    _linear(tower.project)
    _normal(tower.embedding.weight)


def _perception(trunk: Perception) -> None:
    _linear(trunk.squeeze)
    _linear(trunk.expand)
    _linear(trunk.position)
    _normal(trunk.register_tokens)
    _time(trunk.time)
    _modulation(trunk.modulation)
    for block in trunk.blocks:
        assert isinstance(block, Block)
        _block(block)
    _pool(trunk.pool)
    _linear(trunk.project)


def _synthesis(trunk: Synthesis) -> None:
    _linear(trunk.text)
    _modulation(trunk.modulation)
    for block in trunk.blocks:
        assert isinstance(block, Block)
        _block(block)


def _conditions(conditions: ConditionEncoder) -> None:
    _normal(conditions.sink)
    _normal(conditions.kind)
    _linear(conditions.encode[0])
    _linear(conditions.encode[2])
    low, high = (
        torch.tensor([getattr(PROPERTIES[name], end) for name in conditions.names], device="cpu")
        for end in ("low", "high")
    )
    _set(conditions.low, low)
    _set(conditions.span, high - low)
    with torch.device("cpu"):
        _set(conditions.frequency, fourier_frequencies(len(conditions.frequency), HIGHEST_FREQUENCY))


def _decoder(decoder: PixelDecoder) -> None:
    _linear(decoder.enter)
    _zero(decoder.modulation)
    if decoder.halve:
        _linear(decoder.halve)
    for block in decoder.blocks:
        assert isinstance(block, PixelBlock)
        _linear(block.up)
        _linear(block.down)
    _zero(decoder.leave)


def _block(block: Block) -> None:
    offset_6D = torch.zeros(block.offset.shape, device="cpu")
    offset_6D[list(GATES)] = 0.5
    _set(block.offset, offset_6D)
    _self_attention(block.attention)
    if block.cross is not None and block.norm_cross is not None:
        _cross_attention(block.cross)
        _norm(block.norm_cross)
    _swiglu(block.mlp)


def _self_attention(attention: SelfAttention) -> None:
    _linear(attention.qkv)
    _linear(attention.out)
    _norm(attention.norm_q)
    _norm(attention.norm_k)


def _cross_attention(attention: CrossAttention) -> None:
    _linear(attention.q)
    _linear(attention.kv)
    _linear(attention.out)
    _norm(attention.norm_q)
    _norm(attention.norm_k)


def _pool(pool: AttentionPool) -> None:
    _normal(pool.query)
    _norm(pool.norm)
    _cross_attention(pool.attention)


def _swiglu(mlp: SwiGLU) -> None:
    _linear(mlp.gate)
    _linear(mlp.up)
    _linear(mlp.down)


def _time(time: TimeEmbedding) -> None:
    _linear(time.net[0])
    _linear(time.net[2])
    with torch.device("cpu"):
        _set(time.frequency, fourier_frequencies(len(time.frequency)))


def _modulation(modulation: Modulation) -> None:
    _zero(modulation.project)


def _linear(layer: nn.Module) -> None:
    """A linear layer or a convolution, from its weight `(outputs, inputs, ...)` and its bias, where it has one."""
    assert isinstance(layer, nn.Linear | nn.Conv2d)
    host = torch.empty(layer.weight.shape, device="cpu")
    _set(layer.weight, nn.init.kaiming_uniform_(host, a=math.sqrt(5)))  # uniform within 1 / sqrt(inputs)
    if layer.bias is not None:
        bound = 1 / math.sqrt(layer.weight[0].numel())
        _set(layer.bias, torch.empty(layer.bias.shape, device="cpu").uniform_(-bound, bound))


def _zero(layer: nn.Linear | nn.Conv2d) -> None:
    _linear(layer)  # in vain
    layer.weight.zero_()
    if layer.bias is not None:
        layer.bias.zero_()


def _norm(norm: Norm) -> None:
    norm.weight.fill_(1.0)


def _normal(value: Tensor) -> None:
    _set(value, torch.empty(value.shape, device="cpu").normal_().mul_(STD))


def _set(value: Tensor, host: Tensor) -> None:
    value.copy_(host)
