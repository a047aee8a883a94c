"""One optimiser step: rows from batches, losses, gradients, guard, update."""

from __future__ import annotations

import contextlib

import numpy as np
import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from majolica.config.schema import RunConfig
from majolica.data.counter import mix
from majolica.data.loader import Batch
from majolica.data.transforms import augment
from majolica.distributed.group import Group, gather_others
from majolica.errors import UserError
from majolica.objectives.contrastive import Pairs, joined
from majolica.objectives.draws import Draws
from majolica.objectives.joint import joint_losses, make_rows, seen
from majolica.train import optim
from majolica.train.schedule import learning_rate, planned
from majolica.train.state import Run, detached

Losses = dict[str, Tensor]

ROW_STREAM = 0xD2A3
"""Tells the draws of a row from those of its augmentation."""

MOST_SKIPS = 25
"""Steps in a row with a gradient that is not finite before training gives up."""


def optimiser_step(run: Run) -> tuple[Losses, float]:
    """Gradients of `accumulate` micro-steps, then one update. Mean losses and the learning rate."""
    accumulate = run.config.train.accumulate
    mean: Losses = {}
    window: list[Pairs] = []
    for micro in range(accumulate):
        with synchronised(run, last=micro == accumulate - 1):
            losses = micro_step(run, next(run.feed), window)
            torch.autograd.backward(losses["loss"] / accumulate)
        for name, value in detached(losses).items():
            mean[name] = mean.get(name, 0) + value / accumulate
    run.step += 1
    run.samples += run.config.train.batch * accumulate * run.group.world
    rate = learning_rate(run.step, planned(run.config.train, run.step), run.config.optim)
    mean["gradient_norm"] = update(run, rate)
    return mean, rate


def micro_step(run: Run, batch: Batch, window: list[Pairs]) -> Losses:
    """Losses of one batch, whose clean rows join the `window` of this optimiser step.

    A row's randomness is a function of the seed and of its position in the global order: no rank changes it.
    """
    config, device = run.config, run.group.device
    seeds_B = mix(config.train.seed, ROW_STREAM, batch.positions_B.numpy()) >> np.uint64(1)
    images_B3HW, fine_F3HW = (prepared(x, batch, config) for x in (batch.images_B3HW, batch.fine_F3HW))
    tokens_BL = run.tokenizer.encode(batch.captions, config.model.text.length).to(device)
    rows, targets = make_rows(
        images_B3HW,
        fine_F3HW,
        tokens_BL,
        config.loss,
        config.model.properties,
        progress(run),
        Draws.seeded(seeds_B.tolist()),
    )
    with torch.autocast(device.type, torch.bfloat16, enabled=config.train.precision == "bf16"):
        outputs = run.network(rows)
    ranks, earlier = compared(seen(outputs, targets), window, run.group)
    return joint_losses(
        outputs, rows, targets, config.loss, run.model.logit_scale, run.model.logit_bias, ranks, earlier
    )


def compared(here: Pairs, window: list[Pairs], group: Group) -> tuple[Pairs, Pairs]:
    """Other ranks' rows of this micro-step and all ranks' of earlier ones; those of this one join the `window`."""
    ranks = Pairs(*(gather_others(x, group) for x in (here.image_BE, here.text_BE, here.caption_B)))
    earlier = joined([here.none(), *window])
    window += [here.detach(), ranks]
    return ranks, earlier


def prepared(images_B3HW: Tensor, batch: Batch, config: RunConfig) -> Tensor:
    """Augmented images in [0, 1] of the batch's first rows."""
    positions_B = batch.positions_B[: len(images_B3HW)]
    return augment(images_B3HW.float() / 255, positions_B, config.train.seed, config.data.flip, config.data.jitter)


def progress(run: Run) -> float:
    """Share of the training after warm-up that is done; 0 during warm-up."""
    warmup = run.config.optim.warmup
    return max(0, run.step - warmup) / max(1, planned(run.config.train, run.step + 1) - warmup)


def update(run: Run, rate: float) -> Tensor:
    """Clip, guard, step. A gradient that is not finite leaves weights, optimisers and EMA as they are."""
    norm = torch.nn.utils.clip_grad_norm_(run.model.parameters(), run.config.optim.clip)
    if torch.isfinite(norm):
        optim.set_rate(run.optimisers, rate)
        for optimiser in run.optimisers:
            optimiser.step()
        run.shard.publish(run.model)
        run.ema.update(run.model, run.step)
        run.skipped = 0
    else:
        run.skipped += 1
        if run.skipped >= MOST_SKIPS:
            raise UserError(
                f"{MOST_SKIPS} steps in a row had gradients that are not finite (step {run.step}): "
                "lower optim.lr or optim.muon_lr, or look at the data"
            )
    run.model.zero_grad(set_to_none=True)
    return norm.detach()


def synchronised(run: Run, last: bool) -> contextlib.AbstractContextManager[None]:
    """Reduce gradients over the ranks in the last micro-step only."""
    if isinstance(run.network, DistributedDataParallel) and not last:
        return run.network.no_sync()
    return contextlib.nullcontext()
