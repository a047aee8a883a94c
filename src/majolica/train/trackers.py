"""Who else is told what the log says: TensorBoard, Weights & Biases, trackio. None of them may hurt a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from majolica.config.schema import RunConfig


class Tracker(Protocol):
    """Takes numbers by step."""

    def __call__(self, step: int, values: dict[str, float]) -> None: ...

    def close(self) -> None: ...


class TensorBoard:
    """Event files in RUN/tensorboard."""

    def __init__(self, run: Path, config: RunConfig, first_step: int) -> None:
        from torch.utils.tensorboard.writer import SummaryWriter

        self.board = SummaryWriter(str(run / "tensorboard"), purge_step=first_step + 1)

    def __call__(self, step: int, values: dict[str, float]) -> None:
        for name, value in values.items():
            self.board.add_scalar(name, value, step)

    def close(self) -> None:
        self.board.close()


class Hosted:
    """wandb, or trackio, which speaks as wandb does; a resumed run goes on under its name."""

    def __init__(self, module: str, run: Path, config: RunConfig) -> None:
        import importlib

        self.module = importlib.import_module(module)
        options: dict[str, Any] = {"dir": str(run), "id": run.resolve().name} if module == "wandb" else {}
        self.module.init(
            project="majolica", name=run.resolve().name, config=dataclasses.asdict(config), resume="allow", **options
        )

    def __call__(self, step: int, values: dict[str, float]) -> None:
        self.module.log(values, step=step)

    def close(self) -> None:
        self.module.finish()


def open_trackers(run: Path, config: RunConfig, first_step: int, say: Callable[[str], None]) -> Trackers:
    """The trackers of `config.train.trackers` that can be opened; the others are named by `say`."""
    found: dict[str, Tracker] = {}
    for name in config.train.trackers:
        try:
            found[name] = TensorBoard(run, config, first_step) if name == "tensorboard" else Hosted(name, run, config)
        except Exception as error:
            hint = f": pip install 'majolica[{name}]'" if isinstance(error, ImportError) else ""
            say(f"{name} is not told about this run ({error}){hint}; log.jsonl is")
    return Trackers(found, say)


class Trackers:
    """Several at once; one that fails is told nothing more."""

    def __init__(self, trackers: dict[str, Tracker], say: Callable[[str], None]) -> None:
        self.trackers, self.say = trackers, say

    def __call__(self, step: int, values: dict[str, float]) -> None:
        self._each(lambda tracker: tracker(step, values))

    def close(self) -> None:
        self._each(lambda tracker: tracker.close())

    def _each(self, tell: Callable[[Tracker], None]) -> None:
        for name, tracker in list(self.trackers.items()):
            try:
                tell(tracker)
            except Exception as error:
                del self.trackers[name]
                self.say(f"{name} failed ({error}) and is told no more; log.jsonl goes on")
