"""One optimiser step: rows from batches, losses, gradients, update."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from majolica.config.logged import GRADIENT_NORM
from majolica.config.run import RunConfig
from majolica.config.split import RowSplit, clean_by_rank, split_rows
from majolica.data.counter import mix
from majolica.data.loading.loader import Batch
from majolica.data.pictures.transforms import augment, recolour
from majolica.device import to_device
from majolica.distributed.group import Group, gather_others
from majolica.errors import UserError
from majolica.models.majolica import Rows
from majolica.objectives.contrastive import Pairs, concatenate_pairs
from majolica.objectives.draws import Draws
from majolica.objectives.joint import Targets, make_rows
from majolica.objectives.objective import Objective, Others, clean_pairs
from majolica.plurals import plural
from majolica.train.optim.optimisers import set_rate, step_if_finite
from majolica.train.optim.schedule import learning_rate
from majolica.train.state import Run, detach_losses
from majolica.train.watch.observe import StepObserver
from majolica.train.watch.tally import Losses

ROW_STREAM = 0xD2A3
"""Makes the random draws of a row's objectives differ from those of its augmentation."""

MOST_SKIPS = 25
"""Training ends after this many steps in a row with a gradient that is not finite."""


def optimiser_step(run: Run) -> tuple[Losses, float]:
    """Sum the gradients of `accumulate` micro-steps and update; return mean losses and learning rate.

    The host never waits for the device here: decisions that depend on its results are made on the
    device. Steps that are logged also get the diagnostics of `StepObserver`.
    """
    accumulate = run.config.train.accumulate
    observer = StepObserver(run.model) if run.plan.is_due(run.step + 1, run.config.train.log_every) else None
    mean: Losses = {}
    window: list[Pairs] = []
    for micro in range(accumulate):
        with reduce_gradients(run, last=micro == accumulate - 1):
            losses = micro_step(run, window, observer)
            torch.autograd.backward(losses["loss"] / accumulate)
        for name, value in detach_losses(losses).items():
            mean[name] = mean.get(name, 0) + value / accumulate
    run.step += 1
    run.samples += run.config.train.batch * accumulate * run.group.world
    rate = learning_rate(run.step, run.plan.at(run.step), run.config.optim)
    if observer:
        observer.before_update()
    mean[GRADIENT_NORM] = update(run, rate)
    return mean | (observer.after_update() if observer else {}), rate


def micro_step(run: Run, window: list[Pairs], observer: StepObserver | None = None) -> Losses:
    """Compute the losses of the next batch, and append its clean pairs to the `window` of this step.

    The randomness of a row depends on the seed and on its position in the global order, not on its
    rank.
    """
    config, group = run.config, run.group
    with run.busy:
        batch = next(run.feed)
        run.unreadable.update(batch.faults)
        parts = split_rows(config.loss, config.train.batch * group.world, share_done(run))
        objective = Objective.of(config, parts, group.world)
        rows, targets = draw_rows(run, batch, parts)
        outputs = objective.predict(run.network, rows)
    if observer:
        observer.watch(outputs.tokens_BND, rows.noisy)
    others = gather_pairs(clean_pairs(outputs, targets), window, group, parts)
    return objective.compute_losses(run.model, outputs, rows, targets, others)


def draw_rows(run: Run, batch: Batch, parts: RowSplit) -> tuple[Rows, Targets]:
    """Make the noisy and clean rows of a batch on the device, by their places in the global micro-batch."""
    config, device = run.config, run.group.device
    places = batch.places_B.numpy().tolist()
    # The loader reads larger pictures for the largest number of fine rows in the whole training;
    # while the clean share changes, this step may need fewer of them.
    fine = {scale: [row for row in rows if places[row] < parts.fine] for scale, rows in batch.large_rows.items()}
    first = [row for rows in fine.values() for row in rows]
    order = [*first, *sorted(set(range(len(places))) - set(first))]
    images_B3HW = batch.images_B3HW
    if order != list(range(len(order))):
        images_B3HW = images_B3HW[to_device(torch.tensor(order), images_B3HW.device)]
    positions_B = torch.from_numpy(batch.positions_B.numpy()[order])
    large = {
        scale: augment_rows(batch.large[scale][: len(rows)], batch.positions_B[rows], config)
        for scale, rows in fine.items()
    }
    seeds_B = mix(config.train.seed, ROW_STREAM, positions_B.numpy()) >> np.uint64(1)
    tokens_BL = run.tokenizer.encode([batch.captions[i] for i in order], config.model.text.length)
    noisy = sum(place < parts.noisy for place in places)
    images_B3HW = augment_rows(images_B3HW, positions_B, config)
    if config.loss.recolour and share_done(run) >= config.loss.recolour_from:
        clean_C3HW = recolour(images_B3HW[noisy:], positions_B[noisy:], config.train.seed, config.loss.recolour)
        images_B3HW = torch.cat((images_B3HW[:noisy], clean_C3HW))
    return make_rows(
        images_B3HW,
        large,
        to_device(tokens_BL, device),
        config.loss,
        config.model,
        noisy,
        Draws.seeded(seeds_B.tolist(), device),
        {name: to_device(values_B[order], device) for name, values_B in batch.columns.items()},
    )


def gather_pairs(here: Pairs, window: list[Pairs], group: Group, parts: RowSplit) -> Others:
    """Return the other ranks' pairs of this micro-step and all ranks' pairs of earlier ones.

    All pairs of this micro-step are appended to `window`, detached. `here` are those of this rank.
    """
    counts = clean_by_rank(parts, group.world)
    ranks = Pairs(*(gather_others(x, group, counts) for x in (here.image_BE, here.text_BE, here.caption_B)))
    earlier = concatenate_pairs([here.empty(), *window])
    window += [here.detach(), ranks]
    return Others(ranks, earlier)


def augment_rows(images_B3HW: Tensor, positions_B: Tensor, config: RunConfig) -> Tensor:
    """Augment uint8 images of rows at these positions in the global order; returns float32 in [0, 1]."""
    images_B3HW = images_B3HW.to(torch.float32, memory_format=torch.contiguous_format) / 255
    return augment(images_B3HW, positions_B, config.train.seed, config.data.flip, config.data.jitter)


def share_done(run: Run) -> float:
    """Return the share of the steps after warm-up that are done; 0 during warm-up."""
    warmup = run.config.optim.warmup
    return max(0, run.step - warmup) / max(1, run.plan.at(run.step + 1) - warmup)


def update(run: Run, rate: float) -> Tensor:
    """Clip the gradient and step; return its norm before clipping, a scalar on the device.

    A gradient that is not finite leaves weights, optimisers and EMA unchanged.
    """
    norm = torch.nn.utils.clip_grad_norm_(run.model.parameters(), run.config.optim.clip)
    finite = torch.isfinite(norm).float()
    set_rate(run.optimisers, rate)
    step_if_finite(run.optimisers, finite)
    run.shard.broadcast_parameters(run.model)
    run.ema.update(run.model, run.step, finite)
    run.skipped = (run.skipped + 1) * (1 - finite)
    run.skipped_steps = run.skipped_steps + 1 - finite
    run.model.zero_grad(set_to_none=True)
    return norm.detach()


def check_skips(run: Run) -> None:
    """Raise UserError if MOST_SKIPS steps in a row changed nothing; this waits for the device."""
    if run.skipped >= MOST_SKIPS:
        raise UserError(
            f"{int(run.skipped)} steps in a row had gradients that are not finite (step {run.step}): "
            "lower --optim.lr or --optim.muon-lr, or look at the data"
        )


def describe_skips(skipped: Sequence[int], total: int) -> str:
    """Describe in one line the `skipped` optimiser steps since the last report, `total` in the run."""
    first = ", ".join(map(str, skipped[:5])) + (f" and {len(skipped) - 5} more" if len(skipped) > 5 else "")
    steps, were = plural(len(skipped), "step"), plural(len(skipped), "was", "were")
    return (
        f"{steps} {first} {were} skipped, {total} in all: the gradient was not finite, "
        "so weights, optimisers and averaged weights stay as they were"
    )


def reduce_gradients(run: Run, last: bool) -> contextlib.AbstractContextManager[None]:
    """Return a context in which gradients are reduced over the ranks only if `last`."""
    if isinstance(run.network, DistributedDataParallel) and not last:
        return run.network.no_sync()
    return contextlib.nullcontext()
