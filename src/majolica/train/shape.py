"""The shape of a run: what an optimiser step is made of, and what changes where a resumed run has another."""

from __future__ import annotations

from typing import Any

from majolica.config.run import RunConfig
from majolica.plurals import counted

TrainingShape = dict[str, int]


def shape_of(config: RunConfig) -> TrainingShape:
    """JSON: rows per process and micro-step, micro-steps per optimiser step, processes."""
    train = config.train
    return {"batch": train.batch, "accumulate": train.accumulate, "processes": train.processes or 1}


def shape_notes(saved: TrainingShape | None, config: RunConfig) -> list[str]:
    """One sentence on what another shape than the saved one leaves as it was, and what not; none where it is the same.

    Older checkpoints have saved none.
    """
    here = shape_of(config)
    if saved is None or saved == here:
        return []
    return [f"trained so far with {_words(saved)}, from here on with {_words(here)}: {_effect(saved, here)}"]


def _words(shape: dict[str, Any]) -> str:
    return " x ".join(
        counted(shape[name], *words)
        for name, *words in (("batch", "row"), ("accumulate", "micro-step"), ("processes", "process", "processes"))
    )


def _effect(saved: TrainingShape, here: TrainingShape) -> str:
    before, now = (shape["batch"] * shape["accumulate"] * shape["processes"] for shape in (saved, here))
    if before != now:
        return (
            f"the samples go on in the same order, but an optimiser step takes {now} of them in place of {before},"
            " so weights and schedule are not those of the run as it was begun"
        )
    if saved["accumulate"] == here["accumulate"]:
        return "every optimiser step trains the same rows in the same way, to within rounding"
    return (
        "every optimiser step reads the same samples, but which of them are clean, and how the contrastive loss weighs"
        " pairs across micro-steps, depends on the micro-step, so the weights are not those of the run as it was begun"
    )
