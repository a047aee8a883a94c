"""What a larger picture costs: one guided step of painting at growing sizes. `python -m benchmarks.highres --json`.

A step is one of Heun's method, the default: the model is evaluated twice, with the caption and without it, for one
picture.

* ours: the base picture is painted in `--steps` such steps, and then its details in six of their own, each with one
  evaluation of the trunk at the base resolution and one of the decoder on all pixels, in tiles beyond 1024 px. A step
  of a larger picture is counted as one of its base picture and its share of the steps of details. Two depths are
  timed, and the time is continued to the recipe's depth; all blocks of a half are equal.
* pixel transformer: as many blocks of the same width, on patches of the same size, so that its tokens grow with the
  area. One block is timed and multiplied; embedding and head are left out, in its favour.
* latent transformer: the same blocks on an 8x smaller picture with patches of 2, which has as many tokens, and the
  decoder of an autoencoder of the size of Stable Diffusion's, once for `--steps` steps, if diffusers can be imported.

FLOPs are those of matrix products, convolutions and attention, continued in the same way.
`bytes_per_second` is what a step of details reads and writes for each of its operators, over its time at 1024 px.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from benchmarks.blocks import own_blocks
from benchmarks.timing import Step, median_ratio, time_call, time_in_turn
from majolica.config.model import ModelConfig
from majolica.config.picture_size import PictureSize
from majolica.device import find_device
from majolica.estimate.trace import flop_counter
from majolica.models.conditions import Condition
from majolica.models.majolica import Majolica, Text
from majolica.models.precision import Precision, autocast, has_bf16, set_attention_by_products
from majolica.recipes import recipe
from majolica.sampling.detail_flow import paint_details
from majolica.sampling.guidance import Guidance, list_branches
from majolica.sampling.painting import paint_base
from majolica.sampling.request import DETAIL_STEPS, PaintSettings, read_tile
from majolica.sampling.solvers import ignore_tick

RECIPES = ("base", "large", "reference")
EVALUATIONS = 2
"""Of a step of Heun's method."""
TIMES = (0.4, 0.6)
"""Flow times between which the timed step goes."""
BRANCHES = 2
"""Of an evaluation under text guidance: with the caption and without it."""


def shallow(config: ModelConfig, blocks: int) -> ModelConfig:
    """The same shapes with `blocks` blocks in each half of the trunk."""
    return dataclasses.replace(config, perception_depth=blocks, synthesis_depth=blocks)


@dataclass(frozen=True)
class Steps:
    """What painting one picture repeats, for one model."""

    model: Majolica
    precision: Precision
    device: torch.device

    @property
    def asked(self) -> Condition:
        """A caption, and no property."""
        config, device = self.model.config, self.device
        values_BP = torch.zeros(1, len(config.properties), device=device)
        tokens_BL = torch.ones(1, config.text.length, dtype=torch.int64, device=device)
        some_B = torch.ones(1, dtype=torch.bool, device=device)
        return Condition(tokens_BL, some_B, values_BP, torch.zeros_like(values_BP, dtype=torch.bool))

    @torch.inference_mode()
    def guided(self) -> Step:
        """One step of the base picture: two evaluations under guidance."""
        side, asked = self.model.config.resolution, self.asked
        assert len(list_branches(asked, Guidance())) == BRANCHES
        z_B3HW = torch.randn(1, 3, side, side, device=self.device)
        settings = PaintSettings(PictureSize(side, side, 1), TIMES, Guidance(), "heun")
        text = self.read(asked)
        return self.run(lambda: paint_base(self.model, z_B3HW, asked, text, settings, ignore_tick, None))

    @torch.inference_mode()
    def detail(self, side: int) -> Step:
        """One step of the details of a picture of `side` pixels."""
        base, asked = self.model.config.resolution, self.asked
        noise_B3HW = torch.randn(1, 3, side, side, device=self.device)
        base_B3HW = torch.randn(1, 3, base, base, device=self.device)
        size, tile = PictureSize(side, side, side // base), read_tile("auto", side)
        settings = PaintSettings(size, (0.0, 1.0), Guidance(), "heun", tile)
        text = self.read(asked)
        return self.run(lambda: paint_details(self.model, base_B3HW, noise_B3HW, asked, text, settings, ignore_tick))

    @torch.inference_mode()
    def read(self, asked: Condition) -> Text:
        with autocast(self.precision, self.device):
            return self.model.read(asked.tokens_BL)

    def run(self, work: Callable[[], Tensor]) -> Step:
        @torch.inference_mode()
        def step() -> None:
            with autocast(self.precision, self.device):
                work()

        return step


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
    for i, model in enumerate(models):
        ours = Steps(model, precision, device)
        steps[f"guided {i}"] = ours.guided()
        steps |= {f"detail {side} {i}": ours.detail(side) for side in sides if side > config.resolution}
    for side in sides:
        if side <= options.largest_peer:
            steps[f"block {side}"] = block_step(config, side, precision, device)
    found = time_in_turn(steps, options.repeats, device)
    flops = {name: [count_flops(step)] for name, step in steps.items() if not name.startswith("block")}
    share = DETAIL_STEPS / options.steps

    def whole(of: Mapping[str, Sequence[float]], side: int) -> list[float]:
        """A step with all blocks, and its share of the steps of details."""
        guided = continue_to(of["guided 0"], of["guided 1"], depth)
        if side == config.resolution:
            return guided
        detail = continue_to(of[f"detail {side} 0"], of[f"detail {side} 1"], depth)
        return [base + share * more for base, more in zip(guided, detail, strict=True)]

    peers = {
        side: [EVALUATIONS * BRANCHES * 2 * depth * t for t in found[f"block {side}"]]
        for side in sides
        if f"block {side}" in found
    }
    result: dict[str, object] = {"precision": precision, "blocks": 2 * depth, "blocks_timed": 2}
    counted = {side: round(whole(flops, side)[0]) for side in sides}
    result |= compare({side: whole(found, side) for side in sides}, counted, peers, config.resolution)
    largest = max(side for side in sides if side <= 1024)
    if largest > config.resolution:
        result["bytes_per_second"] = round(decoder_bandwidth(Steps(models[0], precision, device), largest))
    return result


def continue_to(one: Sequence[float], two: Sequence[float], depth: int) -> list[float]:
    """Times or FLOPs of `depth` blocks in each half, from those of one and of two."""
    return [a + (depth - 1) * (b - a) for a, b in zip(one, two, strict=True)]


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


def decoder_bandwidth(steps: Steps, side: int) -> float:
    """Bytes a second that a step of details reads and writes at `side` pixels, once for the best of three times.

    The trunk of one block in each half is a part of them, which is small beside the decoder.
    """
    step = steps.detail(side)
    with Traffic() as counter:
        step()
    return counter.bytes / min(time_call(step, steps.device) for _ in range(3))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.add_argument("--recipes", nargs="+", default=list(RECIPES))
    parser.add_argument("--scales", type=int, nargs="+", default=[1, 2, 4, 8], help="sizes over the base resolution")
    parser.add_argument("--largest-peer", type=int, default=1024, help="largest side at which the peers are timed")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20, help="of the base picture; autoencoders decode once")
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
