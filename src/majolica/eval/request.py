"""All options of an evaluation, as one object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from majolica.eval.brush import Brush

SUITES = ("control",)
"""Suites of evaluators that go deeper into one thing; "control": properties."""


def result_files(run: Path, suite: str = "") -> tuple[Path, Path]:
    """The report and the metrics of an evaluation, in the run folder."""
    end = f"-{suite}" if suite else ""
    return run / f"report{end}.html", run / f"metrics{end}.json"


@dataclass(frozen=True)
class EvaluationRequest:
    """What `evaluate` measures, and with how many processes."""

    run: Path
    """Folder of the trained run."""
    pictures: int = 256
    """Pictures that are painted for prompt fidelity."""
    brush: Brush = field(default_factory=Brush)
    """How all pictures are painted: steps, guidance, seed, solver."""
    processes: int = 1
    """Processes that paint side by side; they train the judges first.

    0 stands for one process on a GPU, and elsewhere for one per core, but no more than 8, because
    each process needs memory for the model.
    """
    suite: str = ""
    """One of `SUITES`; all usual evaluators if it is empty."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Times of earlier parts (data, training), in seconds, which the report shows."""
