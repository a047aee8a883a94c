"""All options of an evaluation, as one object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from majolica.config.evaluation import EvaluatorConfig


def result_files(run: Path, names: Sequence[str] = ()) -> tuple[Path, Path]:
    """The report and the metrics of an evaluation by the named suites and evaluators, each once, in the run folder."""
    end = "".join(f"-{name}" for name in dict.fromkeys(names))
    return run / f"report{end}.html", run / f"metrics{end}.json"


@dataclass(frozen=True)
class EvaluationRequest:
    """What `evaluate` measures, and with how many processes."""

    weights: Path
    """A run folder, a checkpoint, or a safetensors file in a run folder."""
    names: tuple[str, ...] = ()
    """Suites and evaluators (`majolica.eval.suites`); those that suit the run if there are none."""
    pictures: int = 256
    """Held-out captions that are painted for several evaluators, if the options do not say."""
    options: EvaluatorConfig = field(default_factory=EvaluatorConfig)
    """On what data is evaluated, and how all pictures are painted."""
    property_files: tuple[Path, ...] = ()
    """How the user's own properties are measured that the run was taught; those without a file are left out."""
    processes: int = 1
    """Processes that paint side by side; they train the judges first.

    0 stands for one process on a GPU, and elsewhere for one per core, but no more than 8, because
    each process needs memory for the model.
    """
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Times of earlier parts (data, training), in seconds, which the report shows."""
