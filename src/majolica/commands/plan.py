"""`majolica plan RECIPE --gpus 64 --gpu A100-80GB`: what a run needs, before it is paid for."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from majolica.commands.command_line import call_verb
from majolica.commands.options import Flag
from majolica.commands.train import find_config
from majolica.config.checks import check_config
from majolica.errors import UserError
from majolica.files import check_writable
from majolica.plurals import counted
from majolica.recipes import RECIPES

if TYPE_CHECKING:
    from majolica.estimate.figures import Estimate

PICTURES = (".png", ".svg", ".pdf")
"""What `--picture` can be."""


def run(args: list[str]) -> None:
    """Parse `args` and plan."""
    call_verb(plan, args, "majolica plan")


def plan(
    recipe: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="RECIPE|CONFIG.yaml")] = "",
    /,
    gpus: int = 0,
    gpu: str = "A100-80GB",
    mfu: float = 0.35,
    price: float = 2.0,
    shard_optimizer: Flag = False,
    activation_gb: float = 0.0,
    picture: Path | None = None,
    json: Flag = False,
) -> None:
    """Parameters, FLOPs, memory, communication, time and cost of a run: its step, traced with tensors without memory.

    Args:
        recipe: What would be trained.
        gpus: How many GPUs, with the recipe's global batch; as the recipe says when 0.
        gpu: Which GPU.
        mfu: Share of its bf16 peak that is reached while computing; not known before it is measured.
        price: Of a GPU hour, in the currency that the cost is wanted in.
        shard_optimizer: As train.shard_optimizer: each GPU holds a share of optimiser state and EMA.
        activation_gb: As train.activation_gb: budget for activations and gradients, checkpointed by plan; 0 keeps all.
        picture: Where to draw that plan's memory over the step (.png, .svg, .pdf).
        json: Print one JSON object.
    """
    if not recipe:
        raise UserError(f"say what to plan first: majolica plan RECIPE ... ({', '.join(RECIPES)}) or CONFIG.yaml")
    if not 0 < mfu <= 1:
        raise UserError(f"--mfu {mfu:g}: it is a share, above 0 and at most 1")
    if not 0 <= price < math.inf:
        raise UserError(f"--price {price:g}: give a number that is not negative")
    if gpus < 0:
        raise UserError(f"--gpus {gpus}: give a number above 0, or leave it out for as many as the recipe has")
    config = check_config(find_config(recipe))
    if config.train.schedule_from:
        from majolica.run.step_plan import begin_plan

        config = replace(config, train=replace(config.train, steps=begin_plan(config).steps))
    elif config.train.minutes:
        raise UserError(
            f"--train.minutes is {config.train.minutes:g}, so the steps follow from the pace of the machine: write"
            " `minutes: 0` and some steps to plan it"
        )
    elif not config.train.steps:
        raise UserError(
            "--train.steps is 0, so the steps follow from the pictures when the run begins: write some steps to plan it"
        )
    budget = activation_gb or config.train.activation_gb
    if not 0 <= budget < math.inf or (picture and not budget):
        raise UserError("--activation-gb must be above 0, and --picture draws its plan: give a budget")
    if picture:
        if picture.suffix.lower() not in PICTURES:
            raise UserError(f"cannot write {picture}: name a file that ends in {', '.join(PICTURES)}")
        check_writable(picture)
    from majolica.activation.plan import plan_for
    from majolica.estimate.estimate import Assumptions, estimate_run, on_gpus
    from majolica.estimate.trace import trace
    from majolica.gpus import gpu as gpu_named

    card = gpu_named(gpu)
    config = on_gpus(config, gpus or config.train.processes or 1)
    if shard_optimizer:
        config = replace(config, train=replace(config.train, shard_optimizer=True))
    train = config.train
    planned = plan_for(config, round(budget * 1e9), option="--activation-gb") if budget else None
    if planned and picture:
        planned.draw(picture)
    found = estimate_run(config, trace(config), card, Assumptions(mfu, price), planned)
    size = f"{counted(train.batch, 'row')} x {counted(train.accumulate, 'micro-step')}"
    head = f"{config.recipe} on {train.processes} x {card.name}: {size}"
    print(as_json(config.recipe, train.processes, card.name, found) if json else as_text(head, found))


def as_json(recipe: str, gpus: int, gpu: str, found: list[Estimate]) -> str:
    """One object: section -> name -> value, unit, how, note."""
    sections: dict[str, dict[str, object]] = {}
    for figure in found:
        body = {key: value for key, value in asdict(figure).items() if key not in ("section", "name")}
        sections.setdefault(figure.section, {})[figure.name] = body
    return json.dumps({"recipe": recipe, "gpus": gpus, "gpu": gpu, **sections})


def as_text(head: str, found: list[Estimate]) -> str:
    """A table by section."""
    lines, section = [head], ""
    for figure in found:
        if figure.section != section:
            section = figure.section
            lines += ["", section]
        value = f"{figure.value:,.3g}" if abs(figure.value) < 1000 else f"{figure.value:,.0f}"
        note = f"  {figure.note}" if figure.note else ""
        lines.append(f"  {figure.name:18}{value:>12} {figure.unit:6} {figure.how:8}{note}")
    return "\n".join(lines)
