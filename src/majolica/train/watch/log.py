"""The log of a run: JSON lines, trackers, and a progress bar on a terminal or else plain lines."""

from __future__ import annotations

import contextlib
import json
import math
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from majolica.config.run import RunConfig
from majolica.train.optim.schedule import seconds_left
from majolica.train.watch.lines import Lines, cut_back
from majolica.train.watch.trackers import open_trackers


class Log:
    """Writes `log.jsonl`, passes values to the trackers and shows the progress (on rank 0 alone).

    No failure here ends a run, neither a full disk nor a closed terminal.
    """

    def __init__(self, run: Path, config: RunConfig, first_step: int) -> None:
        self.config = config
        self.console = Console(stderr=True)
        columns = (BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        self.progress = Progress(*columns, console=self.console) if self.console.is_terminal else None
        self.task = self.progress.add_task("starting", total=None) if self.progress else None
        if self.progress:
            with ignore_lost_terminal():
                self.progress.start()
        path = run / "log.jsonl"
        cut_back(path, first_step, self.say)
        self.lines = Lines(path, self.say)
        self.trackers = open_trackers(run, config, first_step, self.say)

    def record(self, step: int, steps: int, values: Mapping[str, float]) -> None:
        """Log the losses, rates and times of a step.

        Values that are not finite are left out, because JSON cannot express them.
        """
        self.add(step, values)
        finite = {name: value for name, value in values.items() if math.isfinite(value)}
        pace, spent = values["seconds_per_step"], values.get("seconds", 0.0)
        text = format_step(step, steps, finite, seconds_left(self.config, step, steps, pace, spent))
        if self.progress and self.task is not None:
            with ignore_lost_terminal():
                self.progress.update(self.task, description=text, completed=step, total=steps)
        else:
            self.say(text)

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Log values as one line of `log.jsonl`, without those that are not finite."""
        finite = {name: value for name, value in values.items() if math.isfinite(value)}
        self.lines.write(json.dumps({"step": step, **finite}, allow_nan=False))
        self.trackers(step, finite)

    def say(self, message: str) -> None:
        """Print a line for the user."""
        with ignore_lost_terminal():
            if self.progress:
                self.console.print(message, markup=False, highlight=False, soft_wrap=True)
            else:
                print(message, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Write the waiting lines, close the trackers, release the terminal."""
        self.lines.flush()
        self.trackers.close()
        if self.progress:
            with ignore_lost_terminal():
                self.progress.stop()


@contextlib.contextmanager
def ignore_lost_terminal() -> Iterator[None]:
    """Go on if the output is closed; without this, rich would end the process."""
    with contextlib.suppress(OSError, ValueError, SystemExit):
        yield


def format_step(step: int, steps: int, values: Mapping[str, float], left: float) -> str:
    """Describe a logged step in one line.

    `left` is the number of seconds that remain. A loss without a value is shown as a dash.
    """
    losses = [
        f"{name} {values[name]:.{digits}f}" if name in values else f"{name} -"
        for name, digits in (("flow", 4), ("contrastive", 3))
    ]
    pace = f"{values['samples_per_s']:.0f} samples/s  {format_time(left)} left"
    skipped = f"  {values['skipped_steps']:.0f} skipped" if values.get("skipped_steps") else ""
    return f"step {step}/{steps}  {'  '.join(losses)}  {pace}{skipped}"


def format_time(seconds: float) -> str:
    """Format seconds as m:ss or h:mm:ss."""
    minutes, second = divmod(round(seconds), 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour}:{minute:02}:{second:02}" if hour else f"{minute}:{second:02}"
