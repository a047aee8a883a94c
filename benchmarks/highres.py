"""What a larger picture costs: one guided step of painting at growing sizes. `python -m benchmarks.highres --json`.

A step is one of Heun's method, the default: the model is evaluated twice, with the caption and without it, for one
picture, and details are decoded once.

* ours: the trunk sees the picture pooled to the base resolution, and the glaze all of its pixels, in tiles beyond
  1024 px. Two depths are timed, and the time is continued to the recipe's depth; all blocks of a half are equal.
* pixel transformer: as many blocks of the same width, on patches of the same size, so that its tokens grow with the
  area. One block is timed and multiplied; embedding and head are left out, in its favour.
* latent transformer: the same blocks on an 8x smaller picture with patches of 2, which has as many tokens, and the
  decoder of an autoencoder of the size of Stable Diffusion's, once for `--steps` steps, if diffusers can be imported.

FLOPs are those of matrix products, convolutions and attention, counted on the whole model with fake tensors.
`bytes_per_second` is what the glaze reads and writes for each of its operators, over its time at 1024 px.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from benchmarks.blocks import own_blocks
from benchmarks.timing import Step, median_ratio, time_call, time_in_turn
from majolica.config.model import ModelConfig
from majolica.config.picture_size import PictureSize
from majolica.device import find_device
from majolica.estimate.trace import flop_counter
from majolica.models.conditions import Condition
from majolica.models.majolica import Majolica
from majolica.models.pooling import pool
from majolica.models.precision import Precision, autocast, has_bf16, set_attention_by_products
from majolica.recipes import recipe
from majolica.sampling.guidance import Guidance, list_branches
from majolica.sampling.painting import decode_details, paint_guided
from majolica.sampling.request import PaintSettings, read_tile

RECIPES = ("base", "large", "reference")
EVALUATIONS = 2
"""Of a step of Heun's method."""
BRANCHES = 2
"""Of an evaluation under text guidance: with the caption and without it."""


def shallow(config: ModelConfig, blocks: int) -> ModelConfig:
    """The same shapes with `blocks` blocks in each half of the trunk."""
    return dataclasses.replace(config, perception_depth=blocks, synthesis_depth=blocks)


@torch.inference_mode()
def guided_step(model: Majolica, side: int, precision: Precision, device: torch.device) -> Step:
    """One guided step of our model for a picture of `side` pixels."""
    config, scale = model.config, side // model.config.resolution
    tokens_BL = torch.ones(1, config.text.length, dtype=torch.int64, device=device)
    values_BP = torch.zeros(1, len(config.properties), device=device)
    some_B = torch.ones(1, dtype=torch.bool, device=device)
    asked = Condition(tokens_BL, some_B, values_BP, torch.zeros_like(values_BP, dtype=torch.bool))
    branches = list_branches(asked, Guidance(), 0.4)
    assert len(branches) == BRANCHES
    z_B3HW, t_B = torch.randn(1, 3, side, side, device=device), torch.full((1,), 0.4, device=device)
    settings = PaintSettings(PictureSize(side, side, scale), (0.0, 1.0), Guidance(), "euler", read_tile("auto", side))
    with autocast(precision, device):
        text = model.read(tokens_BL)

    @torch.inference_mode()
    def run() -> None:
        with autocast(precision, device):
            for _ in range(EVALUATIONS):
                base_B3HW = pool(z_B3HW, scale)
                grid_BHWD, clean_B3HW = paint_guided(model, base_B3HW, t_B, text, branches)
            if scale > 1:
                decode_details(model, grid_BHWD, clean_B3HW, z_B3HW, t_B, settings)

    return run


def block_step(config: ModelConfig, side: int, precision: Precision, device: torch.device) -> Step:
    """One forward pass of one block of a transformer whose tokens grow with the area of the picture."""
    blocks, inputs = own_blocks(dataclasses.replace(config, resolution=side), 1, device)

    @torch.inference_mode()
    def run() -> None:
        with autocast(precision, device):
            blocks["paint"](inputs.x)

    return run


def count_flops(step: Step) -> int:
    """FLOPs of one call."""
    with flop_counter() as counter:
        step()
    return int(counter.get_total_flops())


class Traffic(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes that operators read and write; views move nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if not func.is_view:
            tensors = [x for x in tree_leaves((args, kwargs, out)) if isinstance(x, Tensor)]
            self.bytes += sum(x.numel() * x.element_size() for x in tensors)
        return out


def decoder_of_autoencoder(device: torch.device) -> tuple[Callable[[int], Step] | None, str]:
    """The decoder of an autoencoder of the size of Stable Diffusion's, or why it is missing."""
    try:
        from diffusers import AutoencoderKL
    except ImportError as error:
        return None, str(error)
    net = AutoencoderKL(
        down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4,
        block_out_channels=[128, 256, 512, 512],
        layers_per_block=2,
        latent_channels=4,
    ).to(device)

    def at(side: int) -> Step:
        latent = torch.randn(1, 4, side // 8, side // 8, device=device)

        @torch.inference_mode()
        def run() -> None:
            net.decode(latent)

        return run

    return at, ""


def measure(name: str, options: argparse.Namespace, device: torch.device) -> dict[str, object]:
    """Times and FLOPs of one recipe at every size, and what they say."""
    config, precision = recipe(name).model, options.precision or ("bf16" if has_bf16(device) else "fp32")
    sides = [config.resolution * k for k in options.scales]
    depth = min(config.perception_depth, config.synthesis_depth)
    models = [Majolica(shallow(config, blocks)).to(device).eval() for blocks in (1, 2)]
    for model in models:
        set_attention_by_products(model, device)
    steps: dict[str, Step] = {}
    for side in sides:
        steps |= {f"{side} {i}": guided_step(model, side, precision, device) for i, model in enumerate(models)}
        if side <= options.largest_peer:
            steps[f"{side} block"] = block_step(config, side, precision, device)
    found = time_in_turn(steps, options.repeats, device)
    ours = {side: continue_to(found[f"{side} 0"], found[f"{side} 1"], depth) for side in sides}
    peers = {
        side: [EVALUATIONS * BRANCHES * 2 * depth * t for t in found[f"{side} block"]]
        for side in sides
        if f"{side} block" in found
    }
    flops = {side: count_ours(config, side) for side in sides}
    result: dict[str, object] = {"precision": precision, "blocks": 2 * depth, "blocks_timed": 2}
    result |= compare(ours, flops, peers, config.resolution)
    largest = models[0], max(side for side in sides if side <= 1024)
    result["bytes_per_second"] = round(glaze_bandwidth(*largest, precision, device))
    return result


def continue_to(one: Sequence[float], two: Sequence[float], depth: int) -> list[float]:
    """Times of `depth` blocks in each half, from those of one and of two."""
    return [a + (depth - 1) * (b - a) for a, b in zip(one, two, strict=True)]


def count_ours(config: ModelConfig, side: int) -> int:
    """FLOPs of a guided step of the whole model, whose tensors are fake and take no memory."""
    with FakeTensorMode():
        return count_flops(guided_step(Majolica(config).eval(), side, "fp32", torch.device("cpu")))


def compare(
    ours: Mapping[int, list[float]], flops: Mapping[int, int], peers: Mapping[int, list[float]], base: int
) -> dict[str, object]:
    """Seconds and FLOPs at every size, and their ratios to those of the base resolution."""
    found: dict[str, object] = {
        "seconds": {str(side): round(statistics.median(values), 4) for side, values in ours.items()},
        "flops": {str(side): count for side, count in flops.items()},
        "pixel_transformer_seconds": {str(side): round(statistics.median(values), 4) for side, values in peers.items()},
    }
    for side in ours:
        if side == base:
            continue
        found[f"wall_{side}_over_{base}"] = median_ratio(ours[side], ours[base])
        found[f"flops_{side}_over_{base}"] = round(flops[side] / flops[base], 3)
        if side in peers:
            found[f"pixel_transformer_wall_{side}_over_{base}"] = median_ratio(peers[side], peers[base])
    return found


def glaze_bandwidth(model: Majolica, side: int, precision: Precision, device: torch.device) -> float:
    """Bytes a second that the glaze reads and writes at `side` pixels, once for the best of three times."""
    full, base = (
        guided_step(model, side, precision, device),
        guided_step(model, model.config.resolution, precision, device),
    )

    def traffic(step: Step) -> int:
        with Traffic() as counter:
            step()
        return counter.bytes

    seconds = min(time_call(full, device) for _ in range(3)) - min(time_call(base, device) for _ in range(3))
    return (traffic(full) - traffic(base)) / seconds


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.add_argument("--recipes", nargs="+", default=list(RECIPES))
    parser.add_argument("--scales", type=int, nargs="+", default=[1, 2, 4, 8], help="sizes over the base resolution")
    parser.add_argument("--largest-peer", type=int, default=1024, help="largest side at which the peers are timed")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20, help="steps for which the autoencoder decodes once")
    parser.add_argument("--precision", choices=["fp32", "bf16"])
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    device = find_device(None)
    found: dict[str, object] = {"threads": options.threads, "device": str(device)}
    for name in options.recipes:
        found[name] = measure(name, options, device)
        print(f"{name}: {found[name]}", file=sys.stderr, flush=True)
    decode, missing = decoder_of_autoencoder(device)
    if decode is None:
        found["autoencoder_missing"] = missing
    else:
        sides = [256 * k for k in options.scales if 256 * k <= options.largest_peer]
        found["autoencoder_decoder_seconds_per_step"] = {
            str(side): round(time_call(decode(side), device) / options.steps, 4) for side in sides
        }
    if options.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
