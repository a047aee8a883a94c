"""One optimiser step: rows from batches, losses, gradients, guard, update."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from majolica.config.logged import GRADIENT_NORM
from majolica.config.run import RunConfig
from majolica.config.split import RowSplit, clean_by_rank, split
from majolica.data.counter import mix
from majolica.data.loading.loader import Batch
from majolica.data.pictures.transforms import augment
from majolica.device import to_device
from majolica.distributed.group import Group, gather_others
from majolica.errors import UserError
from majolica.models.majolica import Rows
from majolica.objectives.contrastive import Pairs, concatenate_pairs
from majolica.objectives.draws import Draws
from majolica.objectives.joint import Targets, make_rows
from majolica.objectives.objective import Objective, Others, clean_pairs
from majolica.train.optim.optimisers import set_rate, step_where
from majolica.train.optim.schedule import due, learning_rate, planned_steps
from majolica.train.state import Run, detach_losses
from majolica.train.watch.observe import Closely
from majolica.train.watch.tally import Losses

ROW_STREAM = 0xD2A3
"""Tells the draws of a row from those of its augmentation."""

MOST_SKIPS = 25
"""Steps in a row with a gradient that is not finite before training gives up."""


def optimiser_step(run: Run) -> tuple[Losses, float]:
    """Gradients of `accumulate` micro-steps, then one update. Mean losses and the learning rate.

    Nothing here waits for the device: what depends on its results is decided there. Logged steps are looked at closely.
    """
    accumulate = run.config.train.accumulate
    closely = Closely(run.model) if due(run.config.train, run.step + 1, run.config.train.log_every) else None
    mean: Losses = {}
    window: list[Pairs] = []
    for micro in range(accumulate):
        with reduce_gradients(run, last=micro == accumulate - 1):
            losses = micro_step(run, window, closely)
            torch.autograd.backward(losses["loss"] / accumulate)
        for name, value in detach_losses(losses).items():
            mean[name] = mean.get(name, 0) + value / accumulate
    run.step += 1
    run.samples += run.config.train.batch * accumulate * run.group.world
    rate = learning_rate(run.step, planned_steps(run.config.train, run.step), run.config.optim)
    if closely:
        closely.before_update()
    mean[GRADIENT_NORM] = update(run, rate)
    return mean | (closely.after_update() if closely else {}), rate


def micro_step(run: Run, window: list[Pairs], closely: Closely | None = None) -> Losses:
    """Losses of the next batch, whose clean rows join the `window` of this optimiser step.

    A row's randomness is a function of the seed and of its position in the global order: no rank changes it.
    """
    config, group = run.config, run.group
    with run.busy:
        batch = next(run.feed)
        run.unreadable.update(batch.faults)
        parts = split(config.loss, config.train.batch * group.world, progress(run))
        objective = Objective.of(config, parts, group.world)
        rows, targets = draw_rows(run, batch, parts)
        outputs = objective.predict(run.network, rows)
    if closely:
        closely.watch(outputs.tokens_BND, rows.noisy)
    others = gather_pairs(clean_pairs(outputs, targets), window, group, parts)
    return objective.losses(run.model, outputs, rows, targets, others)


def draw_rows(run: Run, batch: Batch, parts: RowSplit) -> tuple[Rows, Targets]:
    """Noisy and clean rows of a batch on the device, used as their places in the global micro-batch say."""
    config, device = run.config, run.group.device
    places = batch.places_B.numpy().tolist()
    # A picture may be there in vain: clean shares that move let the loader know no more than the most.
    large = [i for i, row in enumerate(batch.fine_rows) if places[row] < parts.fine]
    first = [batch.fine_rows[i] for i in large]
    order = [*first, *sorted(set(range(len(places))) - set(first))]
    images_B3HW, fine_F3HW = batch.images_B3HW, batch.fine_F3HW[: len(large)]
    if first != list(range(len(first))):
        images_B3HW = images_B3HW[to_device(torch.tensor(order), images_B3HW.device)]
    positions_B = torch.from_numpy(batch.positions_B.numpy()[order])
    seeds_B = mix(config.train.seed, ROW_STREAM, positions_B.numpy()) >> np.uint64(1)
    tokens_BL = run.tokenizer.encode([batch.captions[i] for i in order], config.model.text.length)
    return make_rows(
        augment_rows(images_B3HW, positions_B, config),
        augment_rows(fine_F3HW, positions_B[: len(large)], config),
        to_device(tokens_BL, device),
        config.loss,
        config.model.properties,
        sum(place < parts.noisy for place in places),
        Draws.seeded(seeds_B.tolist(), device),
    )


def gather_pairs(here: Pairs, window: list[Pairs], group: Group, parts: RowSplit) -> Others:
    """Other ranks' rows of this micro-step and all ranks' of earlier ones; those of this one join the `window`."""
    counts = clean_by_rank(parts, group.world)
    ranks = Pairs(*(gather_others(x, group, counts) for x in (here.image_BE, here.text_BE, here.caption_B)))
    earlier = concatenate_pairs([here.empty(), *window])
    window += [here.detach(), ranks]
    return Others(ranks, earlier)


def augment_rows(images_B3HW: Tensor, positions_B: Tensor, config: RunConfig) -> Tensor:
    """Augmented images in [0, 1] of the rows at these positions."""
    images_B3HW = images_B3HW.to(torch.float32, memory_format=torch.contiguous_format) / 255
    return augment(images_B3HW, positions_B, config.train.seed, config.data.flip, config.data.jitter)


def progress(run: Run) -> float:
    """Share of the training after warm-up that is done; 0 during warm-up."""
    warmup = run.config.optim.warmup
    return max(0, run.step - warmup) / max(1, planned_steps(run.config.train, run.step + 1) - warmup)


def update(run: Run, rate: float) -> Tensor:
    """Clip, guard, step. A gradient that is not finite leaves weights, optimisers and EMA as they are."""
    norm = torch.nn.utils.clip_grad_norm_(run.model.parameters(), run.config.optim.clip)
    finite = torch.isfinite(norm).float()
    set_rate(run.optimisers, rate)
    step_where(run.optimisers, finite)
    run.shard.broadcast_parameters(run.model)
    run.ema.update(run.model, run.step, finite)
    run.skipped = (run.skipped + 1) * (1 - finite)
    run.skipped_steps = run.skipped_steps + 1 - finite
    run.model.zero_grad(set_to_none=True)
    return norm.detach()


def check_skips(run: Run) -> None:
    """Raise UserError when too many steps in a row changed nothing."""
    if run.skipped >= MOST_SKIPS:
        raise UserError(
            f"{int(run.skipped)} steps in a row had gradients that are not finite (step {run.step}): "
            "lower --optim.lr or --optim.muon-lr, or look at the data"
        )


def describe_skips(skipped: Sequence[int], total: int) -> str:
    """One line on the optimiser steps that changed nothing, of `total` in the whole run."""
    first = ", ".join(map(str, skipped[:5])) + (f" and {len(skipped) - 5} more" if len(skipped) > 5 else "")
    steps, were = ("step", "was") if len(skipped) == 1 else ("steps", "were")
    return (
        f"{steps} {first} {were} skipped, {total} in all: the gradient was not finite, "
        "so weights, optimisers and averaged weights stay as they were"
    )


def reduce_gradients(run: Run, last: bool) -> contextlib.AbstractContextManager[None]:
    """Reduce gradients over the ranks in the last micro-step only."""
    if isinstance(run.network, DistributedDataParallel) and not last:
        return run.network.no_sync()
    return contextlib.nullcontext()
