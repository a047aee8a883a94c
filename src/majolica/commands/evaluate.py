"""`majolica eval RUN`: every evaluator on a trained run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import tyro

from majolica.commands import DEFAULT_RUN
from majolica.commands.notices import print_notices
from majolica.commands.progress import bar
from majolica.config.run_folder import config_of_run
from majolica.errors import UserError, unknown_name
from majolica.files import check_writable


def run(args: list[str]) -> None:
    """Parse `args` and evaluate."""
    tyro.cli(evaluate, args=args, prog="majolica eval")


def evaluate(
    run: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")] = DEFAULT_RUN,
    /,
    suite: str = "",
    processes: int = 0,
) -> None:
    """Evaluate a run, and write metrics.json and report.html in its folder.

    Args:
        run: Folder of the trained run.
        suite: A part to go deeper into: control (properties), which writes report-control.html.
        processes: Processes that paint side by side; 0: one a core, up to 8, and one on a GPU.
    """
    if processes < 0:
        raise UserError(f"--processes is {processes}: give a number of processes, or 0 for as many as fit")
    config_of_run(run, "", f"no run in {run}: train one (majolica demo), or name its folder")
    from majolica.eval.request import SUITES, EvaluationRequest, result_files

    if suite and suite not in SUITES:
        raise unknown_name("suite", suite, SUITES)
    report, _ = result_files(run, suite)
    check_writable(report)
    from majolica.eval.run import evaluate as evaluate_run

    with print_notices(), bar("evaluating") as progress:
        metrics = evaluate_run(EvaluationRequest(run, processes=processes, suite=suite), _say, progress)
    for name, value in metrics.items():
        print(f"{name:24} {value:,.4g}" if isinstance(value, float) else f"{name:24} {value:,}")
    print(f"report: {report}")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
