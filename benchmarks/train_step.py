"""One optimiser step of the joint training beside what it replaces. `python -m benchmarks.train_step --json`.

* joint: the real step of `majolica train`, fed by the real loader from shards of synthetic photographs.
* generation: the same step with the noisy rows alone. contrastive: full-depth self-attention trunk and text tower on as
  many clean rows, with optimiser and EMA of its own. Both together are the two trainings that the joint one replaces.
* blocks of the same size, forward and backward, beside those of diffusers and timm, where these can be imported; each
  as it is and compiled, and the quicker counts.

All alternate; ratios are medians of ratios within a round. FLOPs are counted, matrix products and attention alone; the
peak is the card's bf16 data sheet, and on a CPU the rate of a 4096^3 product of the run's precision in this process.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import torch
from torch import Tensor, nn

from benchmarks.blocks import list_steps, same_size, times_as_fast
from benchmarks.loader import make_set
from benchmarks.timing import Step, median_ratio, peak_flops, time_call, time_in_turn
from majolica.config.model import ModelConfig
from majolica.config.run import RunConfig
from majolica.config.split import split_rows
from majolica.data.loading.loader import Batch
from majolica.distributed.group import Group, default_device
from majolica.estimate.trace import trace
from majolica.machine import keep_freed_memory
from majolica.models.parts import BlockCall
from majolica.models.precision import Precision, autocast, has_bf16, set_attention_by_products
from majolica.models.text_tower import TextTower
from majolica.models.trunk import Perception
from majolica.objectives.contrastive import Pairs, caption_ids, sigmoid_loss
from majolica.objectives.objective import Objective, Others, clean_pairs
from majolica.recipes import recipe
from majolica.text.tokenizer import train_tokenizer
from majolica.train import network, state
from majolica.train import step as steps
from majolica.train.optim.ema import Ema
from majolica.train.optim.optimisers import build_optimisers, step_if_finite
from majolica.train.precision import product_dtype
from majolica.train.watch.summary import describe_machine


class Held:
    """A feed that hands out one batch again and again."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch

    def __next__(self) -> Batch:
        return self.batch


def first_rows(batch: Batch, rows: int) -> Batch:
    """The first rows of a batch."""
    parts = {name: getattr(batch, name)[:rows] for name in ("images_B3HW", "captions", "positions_B", "places_B")}
    large_rows = {scale: tuple(row for row in some if row < rows) for scale, some in batch.large_rows.items()}
    return dataclasses.replace(batch, **parts, large_rows=large_rows)


def build_config(options: argparse.Namespace, shards: Path, device: torch.device) -> RunConfig:
    """The recipe's model and losses, one process, with the batch and the clean share asked for."""
    start = recipe(options.recipe)
    loss = dataclasses.replace(start.loss, clean_share=options.clean_share, clean_share_end=options.clean_share)
    train = dataclasses.replace(
        start.train,
        batch=options.batch or (start.train.batch if device.type == "cuda" else 20),
        accumulate=options.accumulate,
        processes=1,
        precision=options.precision or ("bf16" if has_bf16(device) else "fp32"),
        compile=options.compile,
        log_every=10**9,
    )
    text = dataclasses.replace(start.model.text, vocab=VOCAB)
    model = dataclasses.replace(start.model, text=text)
    data = dataclasses.replace(start.data, shards=str(shards), cache=False, threads=options.workers)
    return dataclasses.replace(start, loss=loss, train=train, model=model, data=data)


VOCAB = 400
"""Small, so that a vocabulary can be trained on the benchmark's captions; the embedding is no product anyway."""


def generation_only(config: RunConfig) -> RunConfig:
    """The same noisy rows without the clean ones."""
    noisy = config.train.batch - round(config.loss.clean_share * config.train.batch)
    loss = dataclasses.replace(config.loss, clean_share=0.0, clean_share_end=0.0)
    return dataclasses.replace(config, loss=loss, train=dataclasses.replace(config.train, batch=noisy))


class FullDepth(nn.Module):
    """The contrastive model that would be trained apart: all blocks see, none paints."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        depth = config.perception_depth + config.synthesis_depth
        self.perception = Perception(dataclasses.replace(config, perception_depth=depth))
        self.text_tower = TextTower(config.text, config.embed)
        self.logit_scale = nn.Parameter(torch.tensor(10.0).log())
        self.logit_bias = nn.Parameter(torch.tensor(-10.0))

    def parts(self) -> dict[str, nn.Module]:
        """Return the same as the method of `Majolica`."""
        return {"perception": self.perception, "text_tower": self.text_tower}

    def blocks(self) -> list[BlockCall]:
        """Return the same as the method of `Majolica`."""
        blocks = (*self.perception.blocks, *self.text_tower.blocks)
        return [BlockCall(str(index), block, "transformer") for index, block in enumerate(blocks)]


def contrastive_step(config: RunConfig, rope: Tensor, batch: Batch, tokens_BL: Tensor, group: Group) -> Step:
    """One optimiser step of the contrastive model on the clean rows of as many micro-steps."""
    rows = round(config.loss.clean_share * config.train.batch)
    model = FullDepth(config.model).to(group.device)
    set_attention_by_products(model, group.device)
    products = product_dtype(config.train.precision, group.device)
    optimisers, ema = build_optimisers(model, config.optim, muon_dtype=products), Ema(model, config.optim.ema)
    one = torch.ones((), device=group.device)

    def step() -> None:
        for _ in range(config.train.accumulate):
            images_B3HW = batch.images_B3HW[:rows].float() / 127.5 - 1
            with autocast(config.train.precision, group.device):
                tokens_BND, _ = model.perception(images_B3HW, images_B3HW.new_ones(rows), rope)
                image_BE = model.perception.embed(tokens_BND)
                _, _, text_BE, _ = model.text_tower(tokens_BL[:rows])
            here = Pairs(image_BE, text_BE, caption_ids(tokens_BL[:rows]))
            loss = sigmoid_loss(here, model.logit_scale.exp(), model.logit_bias, here.empty(), here.empty(), rows)
            torch.autograd.backward(loss / config.train.accumulate)
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.optim.clip)
        step_if_finite(optimisers, one)
        ema.update(model, 1000, one)
        model.zero_grad(set_to_none=True)

    return step


def parts_of_step(run: state.Run, batch: Batch, device: torch.device, repeats: int) -> dict[str, float]:
    """Median milliseconds of the pieces of one micro-step and of the update, each measured on its own."""
    config, model = run.config, run.model
    found: dict[str, list[float]] = {}

    def piece(name: str, work: Callable[[], Any]) -> Any:
        result: list[Any] = []
        found.setdefault(name, []).append(time_call(lambda: result.append(work()), device))
        return result[0]

    parts = split_rows(config.loss, len(batch.captions), steps.share_done(run))
    for _ in range(repeats):
        rows, targets = piece("augment, noise", lambda: steps.draw_rows(run, batch, parts))
        with autocast(config.train.precision, device):
            piece("perception forward", lambda r=rows: model.perceive(r.base_B3HW, r.t_B))
            piece("text forward", lambda r=rows: model.read(r.condition.tokens_BL))
            outputs = piece("forward, all", lambda r=rows: run.network(r))
        others = Others.none(clean_pairs(outputs, targets))
        losses = Objective.of(config, parts, 1).compute_losses(model, outputs, rows, targets, others)
        piece("backward, all", lambda x=losses: torch.autograd.backward(x["loss"]))
        piece("update", lambda: steps.update(run, 1e-6))
    return {name: round(1e3 * statistics.median(seconds[1:]), 2) for name, seconds in found.items()}


def data_wait_share(run: state.Run, count: int, device: torch.device) -> float:
    """Share of the time that training waits for the loader, over steps that follow each other at once."""
    steps.optimiser_step(run)
    run.feed.reset()
    seconds = sum(time_call(lambda: steps.optimiser_step(run), device) for _ in range(count))
    return round(run.feed.reset() / seconds, 4)


def measure(options: argparse.Namespace, root: Path) -> dict[str, Any]:
    """Measure everything and return the figures as one object for JSON."""
    group = Group(0, 1, default_device())
    device = group.device
    make_set(root / "shards", options.pictures, recipe(options.recipe).model.resolution)
    config = build_config(options, root / "shards", device)
    train_tokenizer((f"photograph {i}" for i in range(2000)), root / "tokenizer.model", VOCAB)
    joint, generation = state.build_run(config, root, group), state.build_run(generation_only(config), root, group)
    batch = next(joint.feed)
    noisy = generation.config.train.batch
    generation.feed.close()
    generation.feed = Held(first_rows(batch, noisy))  # type: ignore[assignment]
    tokens_BL = joint.tokenizer.encode(batch.captions, config.model.text.length).to(device)
    rope = joint.model.rope((config.model.resolution // config.model.patch,) * 2, device)
    trainings: dict[str, Step] = {
        "joint": lambda: steps.optimiser_step(joint),
        "generation": lambda: steps.optimiser_step(generation),
        "contrastive": contrastive_step(config, rope, batch, tokens_BL, group),
    }
    seconds = time_in_turn(trainings, options.repeats, device)
    waited = data_wait_share(joint, options.repeats, device)
    both = [a + b for a, b in zip(seconds["generation"], seconds["contrastive"], strict=True)]
    joint_seconds = statistics.median(seconds["joint"])
    rows = config.train.batch * config.train.accumulate
    peak, peak_how = peak_flops(device, torch.float32 if config.train.precision == "fp32" else torch.bfloat16)
    traced = trace(config)
    flops = (traced.forward_flops + traced.backward_flops) * config.train.accumulate
    blocks, x, missing = same_size(config.model, min(rows, 16), device)
    block_ways = list_steps(blocks, x, config.train.precision, network.can_compile(device))
    block_seconds = time_in_turn(block_ways, options.block_repeats, device)
    joint.feed.close()
    return {
        "recipe": options.recipe,
        "rows": rows,
        "noisy": noisy * config.train.accumulate,
        "samples_per_s": round(rows / joint_seconds, 2),
        "tflop_per_step": round(flops / 1e12, 4),
        "mfu": round(flops / joint_seconds / peak, 3),
        "peak_tflops": round(peak / 1e12, 3),
        "peak_is": peak_how,
        "joint_over_generation": median_ratio(seconds["joint"], seconds["generation"]),
        "joint_over_separate": median_ratio(seconds["joint"], both),
        "data_wait_share": waited,
        "ratio_to_diffusers": times_as_fast(block_seconds, "paint", "diffusers") if "diffusers" in blocks else None,
        "ratio_to_timm": times_as_fast(block_seconds, "see", "timm") if "timm" in blocks else None,
        "missing": missing,
        "seconds": {name: round(statistics.median(values), 4) for name, values in seconds.items()},
        "block_ms": {name: round(1e3 * statistics.median(values), 2) for name, values in block_seconds.items()},
        "parts_ms": parts_of_step(joint, batch, device, 4),
        "repeats": options.repeats,
        "precision": config.train.precision,
        "compile": config.train.compile,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "device": describe_machine(group),
    }


def main() -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON (always done)")
    parser.add_argument("--recipe", default="small")
    parser.add_argument(
        "--batch", type=int, default=0, help="rows of a micro-step; 0: the recipe's on a GPU, 20 on a CPU"
    )
    parser.add_argument("--accumulate", type=int, default=1)
    parser.add_argument("--clean-share", type=float, default=0.3)
    parser.add_argument("--compile", action="store_true", help="compile the transformer blocks of the steps")
    parser.add_argument("--precision", choices=get_args(Precision), help="default: bf16 where the device has it")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--block-repeats", type=int, default=15)
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2, help="decoding threads")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of torch")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if default_device().type == "cpu":  # as training does
        keep_freed_memory()
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as root:
        print(json.dumps(measure(options, Path(root))))


if __name__ == "__main__":
    main()
