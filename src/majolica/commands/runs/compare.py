"""`majolica runs compare A B ...`: a table of what runs have reached, if it was measured in the same way."""

from __future__ import annotations

import json as json_format
from pathlib import Path
from typing import Annotated

import tyro

from majolica.commands.command_line import call_verb
from majolica.commands.options import Flag
from majolica.errors import UserError


def run(args: list[str]) -> None:
    """Parse `args` and compare."""
    call_verb(compare, args, "majolica runs compare")


def compare(
    runs: Annotated[tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(metavar="RUN ...")],
    /,
    only: tuple[str, ...] = (),
    json: Flag = False,
) -> None:
    """Compare the newest results of runs (`majolica eval`), evaluator by evaluator.

    Results that were measured in different ways are refused, and the difference is named. One run alone
    gets a table of its results by optimiser step.

    Args:
        runs: Folders of two or more evaluated runs, or of one.
        only: Evaluators to compare; all that every run has been evaluated with when not given.
        json: Print a JSON object a line: evaluator, metric, and the value of each run.
    """
    if not runs:
        raise UserError("nothing to compare: name the folders of two or more runs")
    from majolica.eval.comparison import compare_runs, describe_comparison, describe_drift

    if len(runs) == 1:
        if json:
            raise UserError(f"--json needs two runs or more: {runs[0]}/results.jsonl is JSON already")
        print(describe_drift(runs[0], only))
        return
    comparison = compare_runs(runs, only)
    if json:
        for evaluator, metric, values in comparison.rows():
            found = dict(zip(comparison.runs, values, strict=True))
            print(json_format.dumps({"evaluator": evaluator, "metric": metric, "values": found}))
    else:
        print(describe_comparison(comparison))
