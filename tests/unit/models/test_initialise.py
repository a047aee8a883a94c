"""First weights: those that a seed has always given, on every device, and all of them from one place."""

from __future__ import annotations

import dataclasses
import math
import subprocess
import sys
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from majolica.config.model import ModelConfig
from majolica.models.initialise import initialise, materialise
from majolica.models.layers import swiglu_hidden
from majolica.models.majolica import Majolica
from majolica.models.trunk import POSITION_FEATURES
from majolica.recipes import recipe
from processes import ENVIRONMENT
from tiny import TINY

Named = Iterator[tuple[str, Tensor]]


def linear(name: str, inputs: int, outputs: int, bias: bool = True, zero: bool = False) -> Named:
    """What torch's own constructor draws; zeroed layers have drawn all the same."""
    layer = nn.Linear(inputs, outputs, bias=bias)
    for key, value in layer.named_parameters():
        yield f"{name}.{key}", torch.zeros_like(value) if zero else value.detach()


def convolution(name: str, inputs: int, outputs: int, zero: bool = False, side: int = 3) -> Named:
    layer = nn.Conv2d(inputs, outputs, side)
    for key, value in layer.named_parameters():
        yield f"{name}.{key}", torch.zeros_like(value) if zero else value.detach()


def small(name: str, *shape: int) -> Named:
    yield name, torch.randn(*shape) * 0.02


def norm(name: str, width: int) -> Named:
    yield f"{name}.weight", torch.ones(width)


def self_attention(name: str, width: int, heads: int) -> Named:
    yield from linear(f"{name}.qkv", width, 3 * width, bias=False)
    yield from linear(f"{name}.out", width, width, bias=False)
    yield from norm(f"{name}.norm_q", width // heads)
    yield from norm(f"{name}.norm_k", width // heads)


def cross_attention(name: str, width: int, heads: int, condition: int) -> Named:
    yield from linear(f"{name}.q", width, width, bias=False)
    yield from linear(f"{name}.kv", condition, 2 * width, bias=False)
    yield from linear(f"{name}.out", width, width, bias=False)
    yield from norm(f"{name}.norm_q", width // heads)
    yield from norm(f"{name}.norm_k", width // heads)


def pool(name: str, width: int, heads: int) -> Named:
    yield from small(f"{name}.query", 1, 1, width)
    yield from norm(f"{name}.norm", width)
    yield from cross_attention(f"{name}.attention", width, heads, width)


def swiglu(name: str, width: int) -> Named:
    yield from linear(f"{name}.gate", width, swiglu_hidden(width), bias=False)
    yield from linear(f"{name}.up", width, swiglu_hidden(width), bias=False)
    yield from linear(f"{name}.down", swiglu_hidden(width), width, bias=False)


def block(name: str, width: int, heads: int, condition: int = 0) -> Named:
    offset = torch.zeros(6, width)
    offset[2] = offset[5] = 0.5
    yield f"{name}.offset", offset
    yield from self_attention(f"{name}.attention", width, heads)
    if condition:
        yield from cross_attention(f"{name}.cross", width, heads, condition)
        yield from norm(f"{name}.norm_cross", width)
    yield from swiglu(f"{name}.mlp", width)


def text_tower(config: ModelConfig) -> Named:
    text = config.text
    embedding = nn.Embedding(text.vocab, text.width)
    yield from small("text_tower.position", text.length, text.width)
    for i in range(text.depth):
        name = f"text_tower.blocks.{i}"
        yield from norm(f"{name}.norm_attention", text.width)
        yield from self_attention(f"{name}.attention", text.width, text.heads)
        yield from norm(f"{name}.norm_mlp", text.width)
        yield from swiglu(f"{name}.mlp", text.width)
    yield from norm("text_tower.norm", text.width)
    yield from pool("text_tower.pool", text.width, text.heads)
    yield from linear("text_tower.project", text.width, config.embed, bias=False)
    nn.init.normal_(embedding.weight, std=0.02)
    yield "text_tower.embedding.weight", embedding.weight.detach()


def perception(config: ModelConfig) -> Named:
    width = config.width
    yield from linear("perception.squeeze", 3 * config.patch**2, config.bottleneck, bias=False)
    yield from linear("perception.expand", config.bottleneck, width)
    yield from linear("perception.position", POSITION_FEATURES, width, bias=False)
    yield from small("perception.register_tokens", config.registers, width)
    yield from linear("perception.time.net.0", 128, width)
    yield from linear("perception.time.net.2", width, width)
    yield from linear("perception.modulation.project", width, 6 * width, zero=True)
    for i in range(config.perception_depth):
        yield from block(f"perception.blocks.{i}", width, config.heads)
    yield from pool("perception.pool", width, config.heads)
    yield from linear("perception.project", width, config.embed, bias=False)


def weights_as_ever(config: ModelConfig, seed: int) -> dict[str, Tensor]:
    """What torch's constructors drew one after the other, when each module still had its own."""
    torch.manual_seed(seed)
    width, text = config.width, config.text.width

    def all_of_them() -> Named:
        yield from text_tower(config)
        yield from perception(config)
        yield from linear("synthesis.text", text, width)
        yield from linear("synthesis.modulation.project", width, 6 * width, zero=True)
        for i in range(config.synthesis_depth):
            yield from block(f"synthesis.blocks.{i}", width, config.heads, text)
        codes = len(config.properties) + 2 * ("hue" in config.properties)  # an angle has three
        yield "conditions.offsets", torch.zeros(codes, config.synthesis_depth, 6, config.width)
        yield from small("conditions.sink", 1, 1, text)
        yield from small("conditions.kind", len(config.properties), text)
        yield from linear("conditions.encode.0", 32, text)
        yield from linear("conditions.encode.2", text, text)
        yield from norm("norm", width)
        yield from linear("to_window", width, 3 * (2 * config.patch) ** 2, zero=True)
        glaze = config.decoder
        yield from convolution("decoder.enter", 6 * glaze.stride**2 + 9, glaze.width)
        yield from linear("decoder.modulation", width, 2 * glaze.width * (glaze.half_depth + glaze.depth), zero=True)
        yield from convolution("decoder.halve", glaze.width, glaze.width, side=2)
        for i in range(glaze.half_depth + glaze.depth):
            yield from convolution(f"decoder.blocks.{i}.up", glaze.width, 2 * glaze.width)
            yield from linear(f"decoder.blocks.{i}.down", 2 * glaze.width, glaze.width)
        yield from convolution("decoder.leave", glaze.width, 3 * glaze.stride**2, zero=True)
        yield "logit_scale", torch.tensor(10.0).log()
        yield "logit_bias", torch.tensor(config.logit_bias)

    return dict(all_of_them())


CONFIGS = {
    "tiny": TINY,
    "demo": recipe("demo").model,
    "no registers, one property": dataclasses.replace(TINY, registers=0, properties=("contrast",), logit_bias=-3.7),
}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_a_seed_gives_the_weights_that_it_has_always_given(config: ModelConfig) -> None:
    expected = weights_as_ever(config, 5)
    drawn_after = torch.rand(3)
    torch.manual_seed(5)
    found = dict(Majolica(config).named_parameters())
    assert found.keys() == expected.keys()
    assert [name for name in found if not torch.equal(found[name], expected[name])] == []
    assert torch.equal(torch.rand(3), drawn_after)  # nothing more is drawn than before


def test_constants_are_there() -> None:
    model = Majolica(TINY)
    assert torch.equal(model.perception.time.frequency, torch.logspace(0, math.log10(128.0), 64))
    assert torch.equal(model.conditions.frequency, torch.logspace(0, math.log10(16 * math.pi), 16).expand(8, -1))
    assert model.conditions.quantiles[:, 0].tolist() == pytest.approx([0.1, 0.05, 0.05])
    assert model.conditions.quantiles[:, -1].tolist() == pytest.approx([0.9, 0.35, 0.6])
    assert model.state_dict().keys() == dict(model.named_parameters()).keys()


def test_every_parameter_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that was forgotten, which would hold what its memory held before."""

    def spoilt(model: nn.Module, device: torch.device) -> None:
        materialise(model, device)
        with torch.no_grad():
            for value in (*model.parameters(), *model.buffers()):
                value.fill_(math.nan)

    monkeypatch.setattr("majolica.models.majolica.materialise", spoilt)
    model = Majolica(TINY)
    assert [name for name, x in (*model.named_parameters(), *model.named_buffers()) if not x.isfinite().all()] == []


def test_a_model_on_meta_takes_no_memory_and_no_numbers() -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    with torch.device("meta"):
        model = Majolica(recipe("reference").model)
    assert torch.equal(torch.rand(3), expected)
    assert {value.device.type for value in (*model.parameters(), *model.buffers())} == {"meta"}


def test_building_a_model_loads_no_more_of_torch_than_that() -> None:
    """Drawing on `meta`, or asking it for a tensor of the same kind elsewhere, loads hundreds of modules."""
    code = (
        "import sys, torch.utils._device, majolica.models.majolica as m;"
        "from majolica.config.model import ModelConfig as C, TextConfig as T;"
        "from majolica.properties.registry import find_property as f; [f(name) for name in C().properties];"
        "before = set(sys.modules); m.Majolica(C(width=32, heads=2, text=T(vocab=300, width=32, depth=1, heads=2)));"
        "sys.exit(' '.join(sorted(set(sys.modules) - before)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr


class HostMemory(TorchDispatchMode):
    """Notes the largest tensor that comes to be on the host."""

    largest = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        out = function(*args, **(kwargs or {}))
        if isinstance(out, Tensor) and out.device.type == "cpu":
            self.largest = max(self.largest, out.numel())
        return out


def test_the_host_holds_one_parameter_at_a_time() -> None:
    """Where the model is elsewhere; `meta` takes copies from the host as a GPU does."""
    with torch.device("meta"):
        model = Majolica(recipe("demo").model)
    with HostMemory() as host:
        initialise(model)
    assert host.largest == max(value.numel() for value in model.parameters())


def test_a_model_can_be_built_of_tensors_without_memory() -> None:
    with FakeTensorMode():
        model = Majolica(recipe("reference").model)
    assert sum(value.numel() for value in model.parameters()) > 2e9
    assert {value.device.type for value in (*model.parameters(), *model.buffers())} == {"cpu"}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_seed_gives_the_same_weights_on_a_gpu() -> None:
    torch.manual_seed(5)
    expected = Majolica(TINY)
    torch.manual_seed(5)
    with torch.device("cuda"):
        found = Majolica(TINY)
    pairs = zip((*found.parameters(), *found.buffers()), (*expected.parameters(), *expected.buffers()), strict=True)
    assert all(here.is_cuda and torch.equal(here.cpu(), there) for here, there in pairs)
