"""All that a training run holds, built from its configuration."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from majolica.config.lasting import lasting_options
from majolica.config.model import with_vocabulary
from majolica.config.run import RunConfig
from majolica.config.split import noisiest_split
from majolica.data.loading.loader import Loader, LoaderSizes
from majolica.distributed.group import Group, sum_counts
from majolica.distributed.reduce import Traffic
from majolica.distributed.zero import Zero1, gather_on_first
from majolica.errors import UserError
from majolica.models.majolica import Majolica
from majolica.models.parts import freeze, hidden_matrices
from majolica.models.precision import set_attention_by_products
from majolica.properties.categories import NO_CATEGORIES, EncodeName
from majolica.properties.quantiles import load_categories, load_quantiles
from majolica.properties.registry import choose_columns
from majolica.run.checkpoint import Saved, Tensors, load_checkpoint, save_checkpoint
from majolica.run.companions import FILES, check_fit, hash_companions
from majolica.run.resume import check_options
from majolica.run.step_plan import StepPlan, resume_plan
from majolica.run.weights import checkpoints
from majolica.text.tokenizer import Tokenizer
from majolica.train.feed import Feed
from majolica.train.network import wrap_model
from majolica.train.optim.ema import Ema, assign
from majolica.train.optim.optimisers import build_optimisers, load_state_by_name, state_by_name
from majolica.train.precision import prepare_precision, product_dtype
from majolica.train.shape import shape_notes, shape_of
from majolica.train.watch.stopwatch import Stopwatch
from majolica.train.watch.tally import Tally


@dataclass
class Run:
    """The mutable state of a training run; `step` optimiser steps are behind it."""

    config: RunConfig
    plan: StepPlan
    """How many steps there are in all."""
    out: Path
    group: Group
    model: Majolica
    network: nn.Module
    """`model`, wrapped for data parallelism and compilation as configured."""
    optimisers: list[Optimizer]
    ema: Ema
    shard: Zero1
    """Whose parameters are whose to step and to average."""
    traffic: Traffic
    """Gradient bytes handed to the reduction."""
    feed: Feed
    busy: Stopwatch
    """Runs while this rank works and need not wait for others."""
    tokenizer: Tokenizer
    companions: Mapping[str, str]
    """SHA-256 of the files in `out` that the model was built with."""
    skipped: Tensor
    """Steps in a row that changed nothing, since a gradient was not finite; on the device."""
    skipped_steps: Tensor
    """All steps that changed nothing; on the device."""
    step: int = 0
    samples: int = 0
    """Rows seen by all ranks."""
    seconds: float = 0.0
    """Training time, earlier parts of a resumed run included."""
    unreadable: Counter[str] = field(default_factory=Counter)
    """Samples that this rank could not read, by reason; on the first rank those of earlier parts too, of all ranks."""
    tally: Tally = field(default_factory=Tally)
    """Losses since the last line of the log."""
    saved: int = -1
    """The step that was saved last, or gone on from."""


def build_run(config: RunConfig, out: Path, group: Group) -> Run:
    """Model, optimisers, data: the same on every rank and from every start."""
    tokenizer = Tokenizer(out / "tokenizer.model")
    torch.manual_seed(config.train.seed)
    with group.device:  # never on the host first: a large model may not fit there once for each process
        model = Majolica(with_vocabulary(config.model, tokenizer.vocab))
    model.conditions.quantiles.copy_(load_quantiles(out, config.model.properties))
    model.conditions.categories = load_categories(out, config.model.properties)
    freeze(model, config.train.only)
    prepare_precision(model, config.train.precision, group.device)
    if not config.train.activation_gb:  # plans count on the fused kernel
        set_attention_by_products(model, group.device)
    shard = Zero1.without_owners(group)
    if config.train.shard_optimizer:
        shard = Zero1.assign_owners(model, group, hidden_matrices(model))
    traffic = Traffic()
    return Run(
        config=config,
        plan=StepPlan(config.train.steps, config.train.minutes),
        out=out,
        group=group,
        model=model,
        network=wrap_model(model, config, group, traffic, out),
        optimisers=build_optimisers(
            model, config.optim, shard.owns, product_dtype(config.train.precision, group.device)
        ),
        ema=Ema(model, config.optim.ema, shard.owns, config.train.ema_device),
        shard=shard,
        traffic=traffic,
        feed=Feed(build_loader(config, group, model.conditions.categories), group.device),
        busy=Stopwatch(group.device),
        skipped=torch.zeros((), device=group.device),
        skipped_steps=torch.zeros((), device=group.device),
        tokenizer=tokenizer,
        companions=hash_companions(out),
    )


def build_loader(config: RunConfig, group: Group, categories: Mapping[str, EncodeName] = NO_CATEGORIES) -> Loader:
    """This rank's share of the data."""
    model, loss, train = config.model, config.loss, config.train
    fine = noisiest_split(loss, train.batch * group.world).fine
    size = LoaderSizes(model.resolution, loss.fine_scales, fine, model.patch)
    columns = choose_columns(model.properties)
    return Loader(config.data, train.batch, size, train.seed, group.rank, group.world, columns, categories)


def save(run: Run, say: Callable[[str], None]) -> bool:
    """Save a checkpoint from the first rank; a full disk costs the checkpoint, never the run."""
    run.saved = run.step
    average = ema_by_name(run)
    optimizer = state_by_name(run.model, run.optimisers)
    if run.shard.is_sharded:
        optimizer = gather_on_first(optimizer, run.group)
    pending, unreadable = run.tally.state(run.group), sum_counts(run.unreadable, run.group)
    if not run.group.first:
        return True
    weights = {name: value.detach().contiguous() for name, value in run.model.named_parameters()}
    tensors: Tensors = {
        "model": weights,
        "ema": average,
        "optimizer": optimizer,
    }
    state: dict[str, Any] = {
        "step": run.step,
        "plan": run.plan.to_json(),
        "samples": run.samples,
        "seconds": run.seconds,
        "skipped": int(run.skipped),
        "skipped_steps": int(run.skipped_steps),
        "pending": pending,
        "unreadable": unreadable,
        "shape": shape_of(run.config),
        "options": lasting_options(run.config),
        FILES: run.companions,
        "loader": run.feed.state(),
    }
    try:
        save_checkpoint(run.out, run.step, Saved(tensors, state), run.config.train.keep)
    except OSError as error:
        older = "the older ones are untouched" if checkpoints(run.out) else "there is no older one yet"
        then = ", training goes on" if run.step < run.plan.steps else ""
        say(f"checkpoint {run.step} was not saved ({error}); {older}{then}")
        return False
    return True


def ema_by_name(run: Run) -> dict[str, Tensor]:
    """All averaged weights, on the first rank; every rank must ask."""
    return gather_on_first(run.ema.average, run.group) if run.shard.is_sharded else run.ema.average


def restore(run: Run, say: Callable[[str], None]) -> None:
    """Go on from the newest whole checkpoint."""
    saved, reasons = load_checkpoint(run.out)
    for reason in reasons:
        say(f"passed over a damaged checkpoint: {reason}")
    check_options(saved.state, run.config, run.out)
    weights = saved.tensors["model"]
    wanted = {name: value.shape for name, value in run.model.named_parameters()}
    check_fit(run.out, wanted, {name: value.shape for name, value in weights.items()})
    try:
        assign(run.model, weights)
        for name, value in run.ema.average.items():
            value.copy_(saved.tensors["ema"][name])
        load_state_by_name(run.model, run.optimisers, saved.tensors["optimizer"])
    except (KeyError, RuntimeError, ValueError) as error:
        raise UserError(
            f"the checkpoint in {run.out} does not fit the configuration ({error}); leave the model and the optimiser "
            "as they are, or train anew into another --out"
        ) from error
    run.step, run.samples = saved.state["step"], saved.state["samples"]
    run.plan = resume_plan(run.config, saved.state)
    run.saved = run.step
    run.seconds = saved.state["seconds"]
    run.skipped, run.skipped_steps = (  # older checkpoints lack the second, and what the log has still to say
        torch.tensor(float(saved.state.get(name, 0)), device=run.group.device) for name in ("skipped", "skipped_steps")
    )
    run.unreadable = Counter(saved.state.get("unreadable") if run.group.first else None)
    run.tally.load(saved.state.get("pending", {}))
    notes = [*shape_notes(saved.state.get("shape"), run.config), *run.feed.load(saved.state["loader"])]
    for note in notes if run.step < run.plan.steps else ():  # else nothing follows from them
        say(note)


def detach_losses(losses: dict[str, Tensor]) -> dict[str, Tensor]:
    """Losses without their graph."""
    return {name: value.detach() for name, value in losses.items()}
