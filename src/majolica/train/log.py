"""What a run tells: JSON lines always, TensorBoard beside them, a bar on a terminal and plain lines elsewhere."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn


class Log:
    """Writes `log.jsonl`, `tensorboard/` and the progress display of one run (rank 0 alone)."""

    def __init__(self, run: Path, first_step: int) -> None:
        from torch.utils.tensorboard.writer import SummaryWriter

        self.path = run / "log.jsonl"
        drop_after(self.path, first_step)
        self.board = SummaryWriter(str(run / "tensorboard"), purge_step=first_step + 1)
        self.console = Console(stderr=True)
        columns = (BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        self.progress = Progress(*columns, console=self.console) if self.console.is_terminal else None
        self.task = self.progress.add_task("starting", total=None) if self.progress else None
        if self.progress:
            self.progress.start()

    def record(self, step: int, steps: int, values: dict[str, float]) -> None:
        """One logged step: losses, rates and times."""
        with self.path.open("a") as file:
            file.write(json.dumps({"step": step, **values}) + "\n")
        for name, value in values.items():
            self.board.add_scalar(name, value, step)
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
        self.board.close()
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
