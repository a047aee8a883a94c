"""First weights: the distribution of every parameter of the model, in one place.

The modules of the model only declare their parameters. `Majolica` builds them on torch's `meta`
device, where they take no memory, gives them memory on the device of the model (`materialise`), and
calls `initialise` once. A model whose weights are loaded needs no first weights, so `Pipeline.load`
calls only `materialise` and `set_constants`.

* Weights and biases of linear layers and convolutions: uniform within 1 / sqrt(inputs), torch's
  default.
* Gains of norms: 1.
* Embeddings of pieces and positions, registers, pool queries, the sink, kinds of properties: normal
  with a standard deviation of 0.02 (BERT, arXiv 1810.04805).
* adaLN projections: 0, so that every row begins with the blocks' own offsets (adaLN-zero of DiT,
  arXiv 2212.09748).
* The blocks' offsets: 0, but 1/2 for gates, where DiT has 0, because a training of a few thousand
  steps needs every block from its first step on.
* What properties add to the modulation: 0 at first (`conditions.offsets`).
* The layers that write pixels (`to_window`, the decoder's modulation and its last convolution): 0,
  as the last layer of DiT, so that the first picture is grey.
* `logit_scale`: log 10; `logit_bias`: the value in the configuration (SigLIP, arXiv 2303.15343).

All numbers are drawn on the CPU from one stream, in the order of this file, one parameter at a
time. So a seed gives the same weights on every device and on every rank, and the host never holds
more than the largest parameter. The order is that of torch's constructors, which drew the numbers
before this file existed. They drew some numbers that were never used, for layers that were then set
to 0 and for embeddings that were drawn twice; these are still drawn, so that a seed gives the same
weights as before.

Shapes: 6 shift, scale and gate of attention and of the MLP; D width.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from majolica.models.conditions import ConditionEncoder, property_frequencies
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
from majolica.models.text_tower import TextBlock, TextTower
from majolica.models.trunk import GATES, Block, Modulation, Perception, Synthesis
from majolica.properties.quantiles import spread_evenly

if TYPE_CHECKING:
    from majolica.models.majolica import Majolica

STD = 0.02
"""Standard deviation of learned embeddings."""


class _SkipInit(TorchFunctionMode):
    """Skips the functions of `torch.nn.init`.

    torch's layers draw their first weights when they are made. On `meta` this has no effect, but
    the first call imports so much of torch that it takes two seconds.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__module__", "") == nn.init.__name__:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **(kwargs or {}))


@contextmanager
def without_memory() -> Iterator[None]:
    """Modules made in this context have parameters with shapes, but without memory or values."""
    with torch.device("meta"), _SkipInit():
        yield


def materialise(model: nn.Module, device: torch.device) -> None:
    """Replace the parameters and buffers of `model` by uninitialised ones on `device`, in place.

    `Module.to_empty` does the same, but not under FakeTensorMode, in which steps are planned.
    """
    for module in model.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            setattr(module, name, nn.Parameter(torch.empty(parameter.shape, dtype=parameter.dtype, device=device)))
        for name, buffer in list(module.named_buffers(recurse=False)):
            setattr(module, name, torch.empty(buffer.shape, dtype=buffer.dtype, device=device))


@torch.no_grad()
def initialise(model: Majolica) -> None:
    """Set all parameters and constants of `model` in place, from torch's global CPU stream."""
    _init_text_tower(model.text_tower)
    _init_perception(model.perception)
    _init_synthesis(model.synthesis)
    _init_conditions(model.conditions)
    _set_gain_to_one(model.norm)
    _set_to_zero(model.to_window)
    _init_decoder(model.decoder)
    _set(model.logit_scale, torch.tensor(10.0, device="cpu").log())
    _set(model.logit_bias, torch.tensor(model.config.logit_bias, device="cpu"))
    set_constants(model)


@torch.no_grad()
def set_constants(model: Majolica) -> None:
    """Set the buffers of `model`, which no checkpoint holds, in place from its configuration."""
    time, conditions = model.perception.time, model.conditions
    with torch.device("cpu"):
        _set(time.frequency, fourier_frequencies(len(time.frequency)))
        frequency_KF = property_frequencies(circular=False).repeat(len(conditions.frequency), 1)
        for place, entry in enumerate(conditions.entries):
            _set(conditions.quantiles[place], spread_evenly(entry))
            frequency_KF[place] = property_frequencies(entry.circular)
        _set(conditions.frequency, frequency_KF)


def _init_text_tower(tower: TextTower) -> None:
    _draw_normal(tower.embedding.weight)  # unused, see the head of this file
    _draw_normal(tower.position)
    for block in tower.blocks:
        assert isinstance(block, TextBlock)
        _set_gain_to_one(block.norm_attention)
        _init_self_attention(block.attention)
        _set_gain_to_one(block.norm_mlp)
        _init_swiglu(block.mlp)
    _set_gain_to_one(tower.norm)
    _init_pool(tower.pool)
    _draw_linear(tower.project)
    _draw_normal(tower.embedding.weight)


def _init_perception(trunk: Perception) -> None:
    _draw_linear(trunk.squeeze)
    _draw_linear(trunk.expand)
    _draw_linear(trunk.position)
    _draw_normal(trunk.register_tokens)
    _init_time(trunk.time)
    _init_modulation(trunk.modulation)
    for block in trunk.blocks:
        assert isinstance(block, Block)
        _init_block(block)
    _init_pool(trunk.pool)
    _draw_linear(trunk.project)


def _init_synthesis(trunk: Synthesis) -> None:
    _draw_linear(trunk.text)
    _init_modulation(trunk.modulation)
    for block in trunk.blocks:
        assert isinstance(block, Block)
        _init_block(block)


def _init_conditions(conditions: ConditionEncoder) -> None:
    _draw_normal(conditions.sink)
    _draw_normal(conditions.kind)
    _draw_linear(conditions.encode[0])
    _draw_linear(conditions.encode[2])
    if conditions.offsets is not None:
        conditions.offsets.zero_()


def _init_decoder(decoder: PixelDecoder) -> None:
    _draw_linear(decoder.enter)
    _set_to_zero(decoder.modulation)
    if decoder.halve:
        _draw_linear(decoder.halve)
    for block in decoder.blocks:
        assert isinstance(block, PixelBlock)
        _draw_linear(block.up)
        _draw_linear(block.down)
    _set_to_zero(decoder.leave)


def _init_block(block: Block) -> None:
    offset_6D = torch.zeros(block.offset.shape, device="cpu")
    offset_6D[list(GATES)] = 0.5
    _set(block.offset, offset_6D)
    _init_self_attention(block.attention)
    if block.cross is not None and block.norm_cross is not None:
        _init_cross_attention(block.cross)
        _set_gain_to_one(block.norm_cross)
    _init_swiglu(block.mlp)


def _init_self_attention(attention: SelfAttention) -> None:
    _draw_linear(attention.qkv)
    _draw_linear(attention.out)
    _set_gain_to_one(attention.norm_q)
    _set_gain_to_one(attention.norm_k)


def _init_cross_attention(attention: CrossAttention) -> None:
    _draw_linear(attention.q)
    _draw_linear(attention.kv)
    _draw_linear(attention.out)
    _set_gain_to_one(attention.norm_q)
    _set_gain_to_one(attention.norm_k)


def _init_pool(pool: AttentionPool) -> None:
    _draw_normal(pool.query)
    _set_gain_to_one(pool.norm)
    _init_cross_attention(pool.attention)


def _init_swiglu(mlp: SwiGLU) -> None:
    _draw_linear(mlp.gate)
    _draw_linear(mlp.up)
    _draw_linear(mlp.down)


def _init_time(time: TimeEmbedding) -> None:
    _draw_linear(time.net[0])
    _draw_linear(time.net[2])


def _init_modulation(modulation: Modulation) -> None:
    _set_to_zero(modulation.project)


def _draw_linear(layer: nn.Module) -> None:
    """Draw the weight `(outputs, inputs, ...)` and, where there is one, the bias of a layer."""
    assert isinstance(layer, nn.Linear | nn.Conv2d)
    host = torch.empty(layer.weight.shape, device="cpu")
    _set(layer.weight, nn.init.kaiming_uniform_(host, a=math.sqrt(5)))  # uniform within 1 / sqrt(inputs)
    if layer.bias is not None:
        bound = 1 / math.sqrt(layer.weight[0].numel())
        _set(layer.bias, torch.empty(layer.bias.shape, device="cpu").uniform_(-bound, bound))


def _set_to_zero(layer: nn.Linear | nn.Conv2d) -> None:
    _draw_linear(layer)  # unused, see the head of this file
    layer.weight.zero_()
    if layer.bias is not None:
        layer.bias.zero_()


def _set_gain_to_one(norm: Norm) -> None:
    norm.weight.fill_(1.0)


def _draw_normal(value: Tensor) -> None:
    _set(value, torch.empty(value.shape, device="cpu").normal_().mul_(STD))


def _set(value: Tensor, host: Tensor) -> None:
    value.copy_(host)
