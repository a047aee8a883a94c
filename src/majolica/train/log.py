"""What a run tells: JSON lines always, trackers beside them, a bar on a terminal and plain lines elsewhere."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from majolica.config.schema import RunConfig
from majolica.train.trackers import open_trackers


class Log:
    """Writes `log.jsonl`, tells the trackers and shows the progress of one run (rank 0 alone)."""

    def __init__(self, run: Path, config: RunConfig, first_step: int) -> None:
        self.path = run / "log.jsonl"
        drop_after(self.path, first_step)
        self.console = Console(stderr=True)
        columns = (BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        self.progress = Progress(*columns, console=self.console) if self.console.is_terminal else None
        self.task = self.progress.add_task("starting", total=None) if self.progress else None
        if self.progress:
            self.progress.start()
        self.trackers = open_trackers(run, config, first_step, self.say)

    def record(self, step: int, steps: int, values: dict[str, float]) -> None:
        """One logged step: losses, rates and times."""
        with self.path.open("a") as file:
            file.write(json.dumps({"step": step, **values}) + "\n")
        self.trackers(step, values)
        left = (steps - step) * values["seconds_per_step"]
        text = (
            f"step {step}/{steps}  flow {values['flow']:.4f}  contrastive {values['contrastive']:.3f}"
            f"  {values['samples_per_s']:.0f} samples/s  {clock(left)} left"
        )
        if self.progress and self.task is not None:
            self.progress.update(self.task, description=text, completed=step, total=steps)
        else:
            print(text, file=sys.stderr, flush=True)

    def say(self, message: str) -> None:
        """A line for the person who watches."""
        self.console.print(message, markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        """Flush and release the terminal."""
        self.trackers.close()
        if self.progress:
            self.progress.stop()


def clock(seconds: float) -> str:
    """Seconds as m:ss, or h:mm:ss."""
    minutes, second = divmod(round(seconds), 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour}:{minute:02}:{second:02}" if hour else f"{minute}:{second:02}"


def drop_after(path: Path, step: int) -> None:
    """Cut a log back to `step`, so that a resumed run's log reads as if it had never stopped."""
    if not path.exists():
        return
    kept: list[str] = []
    for line in path.read_text().splitlines():
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line + "\n")
        except (ValueError, KeyError):
            continue  # the half line of a killed process
    path.write_text("".join(kept))
