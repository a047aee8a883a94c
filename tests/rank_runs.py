"""The tiny run on any number of ranks with the same global batch, and what to compare of it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import load_file
from torch import Tensor

from majolica.config.run import RunConfig
from majolica.distributed.group import Group
from majolica.launch.prepare import prepare_run
from majolica.train import state, step
from ranks import changed, on_ranks
from tiny import tiny_run

GLOBAL_BATCH = 16
Arrays = dict[str, np.ndarray]


def config_for(shards: Path, world: int, **train: Any) -> RunConfig:
    """The same global batch for any number of ranks; 5 of 16 rows are clean, which two ranks cannot share evenly."""
    config = tiny_run(shards)
    loss = dataclasses.replace(config.loss, clean_share=0.3, clean_share_end=0.3)
    return changed(dataclasses.replace(config, loss=loss), batch=GLOBAL_BATCH // world, processes=world, **train)


def trained(group: Group, config: RunConfig, out: Path, steps: int, resume: bool = False) -> dict[str, Any]:
    """Losses, weights and rows of some steps; a checkpoint is left in `out`."""
    run = state.build_run(config, out, group)
    if resume:
        state.restore(run, print)
    rows: dict[int, Arrays] = {}
    real = step.make_rows

    def seen(images: Tensor, *rest: Any) -> Any:
        made, targets = real(images, *rest)
        positions = fed[-1].positions_B.tolist()
        columns = {"base": made.base_B3HW, "t": made.t_B, "text": made.condition.has_text_B}
        for index, position in enumerate(positions):
            rows[position] = {name: column[index].numpy().copy() for name, column in columns.items()}
        return made, targets

    fed: list[Any] = []
    fetch = run.feed._fetch

    def remembered() -> Any:
        batch, where = fetch()
        fed.append(batch)
        return batch, where

    step.make_rows, run.feed._fetch = seen, remembered  # type: ignore[assignment,method-assign]
    try:
        losses = [{k: float(v) for k, v in step.optimiser_step(run)[0].items() if not v.ndim} for _ in range(steps)]
    finally:
        step.make_rows = real
        run.feed.close()
    assert state.save(run, print)
    held = sum(v.nbytes for o in run.optimisers for s in o.state.values() for v in s.values() if v.ndim)
    return {
        "losses": losses,
        "weights": {name: value.detach().numpy().copy() for name, value in run.model.named_parameters()},
        "rows": rows,
        "sent": run.traffic.reset(),
        "held": held + sum(value.nbytes for value in run.ema.average.values()),
    }


def run_ranks(config: RunConfig, out: Path, steps: int, resume: bool = False) -> list[dict[str, Any]]:
    if not resume:
        prepare_run(config, out, resume=False)
    return on_ranks(config.train.processes, trained, out, config, out, steps, resume)


def saved(out: Path) -> dict[str, Tensor]:
    folder = max((out / "checkpoints").iterdir())
    return {f"{p.stem}.{k}": v for p in folder.glob("*.safetensors") for k, v in load_file(p).items()}


def different(a: dict[str, Any], b: dict[str, Any]) -> set[str]:
    assert a.keys() == b.keys()
    return {name for name in a if not np.array_equal(np.asarray(a[name]), np.asarray(b[name]))}


def largest(a: Arrays, b: Arrays) -> float:
    return max(float(np.abs(a[name] - b[name]).max()) for name in a)


def mean_losses(answers: list[dict[str, Any]], name: str) -> np.ndarray:
    """Mean over the ranks, by step."""
    return np.mean([[losses[name] for losses in answer["losses"]] for answer in answers], axis=0)
