"""`majolica calibrate RUN`: how its pictures respond to the properties, so that requests are corrected."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from majolica.commands import DEFAULT_RUN
from majolica.commands.command_line import call_verb
from majolica.commands.progress import bar
from majolica.commands.terminal import print_status
from majolica.config.run_folder import config_of_run
from majolica.errors import UserError
from majolica.files import check_writable


def run(args: list[str]) -> None:
    """Parse `args` and calibrate."""
    call_verb(calibrate, args, "majolica calibrate")


def calibrate(
    run: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")] = DEFAULT_RUN,
    /,
    processes: int = 0,
    property: Annotated[tyro.conf.UseAppendAction[tuple[Path, ...]], tyro.conf.arg(metavar="FILE")] = (),
) -> None:
    """Measure what pictures of a run measure at each requested value, and write calibration.json in its folder.

    From then on `--set brightness=0.8` asks the model for whatever makes its pictures measure 0.8.

    Args:
        run: Folder of the trained run.
        processes: Processes that paint side by side; 0: one a core, up to 8, and one on a GPU.
        property: A Python file that measures a property of your own, which the run was taught; may be repeated.
    """
    if processes < 0:
        raise UserError(f"--processes is {processes}: give a number of processes, or 0 for as many as fit")
    config_of_run(run, "", f"no run in {run}: train one (majolica demo), or name its folder")
    check_writable(run / "calibration.json")
    from majolica.eval.calibrate import calibrate_run, describe_corrections

    with bar("calibrating") as progress:
        found = calibrate_run(run, processes, progress, property, print_status)
    for line in describe_corrections(found, run):
        print(line)
