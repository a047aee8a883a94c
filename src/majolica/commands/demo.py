"""`majolica demo`: drawings, shards, vocabulary, training, evaluation and report in one go."""

from __future__ import annotations

from pathlib import Path

from majolica.commands import DEFAULT_RUN
from majolica.commands.command_line import call_verb
from majolica.errors import UserError
from majolica.files import check_folder_writable


def run(args: list[str]) -> None:
    """Parse `args` and run the demo."""
    call_verb(demo, args, "majolica demo")


def demo(minutes: float = 10.0, out: Path = DEFAULT_RUN) -> None:
    """Make data from drawings, train a model that sees and paints, evaluate it and write a report.

    Args:
        minutes: Minutes of training; data and evaluation come on top.
        out: Folder of the run; the report is its report.html.
    """
    if not minutes > 0:
        raise UserError(f"--minutes is {minutes:g}: give a number above 0")
    check_folder_writable(out)
    from majolica.commands.main_job import run_demo

    run_demo(minutes=minutes, out=out)
