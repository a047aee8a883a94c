"""Who else is told what the log says: TensorBoard, Weights & Biases, trackio. None of them may hurt a run."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from majolica.config.run import RunConfig

ROOM = 1 << 16
"""Bytes that must be free on the disk for the event file's next numbers."""


class Tracker(Protocol):
    """Takes numbers by step."""

    def __call__(self, step: int, values: dict[str, float]) -> None: ...

    def close(self) -> None: ...


class TensorBoard:
    """Event files in RUN/tensorboard; after a failure, such as a full disk, the next step begins a new one."""

    def __init__(self, run: Path, config: RunConfig, first_step: int) -> None:
        self.folder = str(run / "tensorboard")
        self.board: Any = None
        self._open(first_step + 1)

    def __call__(self, step: int, values: dict[str, float]) -> None:
        self._ask_for_room()
        board = self.board or self._open(step)
        try:
            for name, value in values.items():
                board.add_scalar(name, value, step)
        except OSError:
            self.board = None
            with contextlib.suppress(OSError):
                board.close()
            raise

    def close(self) -> None:
        if self.board:
            self.board.close()

    def _ask_for_room(self) -> None:
        """OSError where the disk is full: SummaryWriter's own thread would die of it, with a traceback."""
        place = Path(self.folder, ".room")
        try:
            place.write_bytes(bytes(ROOM))
        finally:
            place.unlink(missing_ok=True)

    def _open(self, step: int) -> Any:
        from torch.utils.tensorboard.writer import SummaryWriter

        self.board = SummaryWriter(self.folder, purge_step=step)
        return self.board


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
    """Several at once; one that fails is told nothing more, except where the disk was full: there may be room again."""

    def __init__(self, trackers: dict[str, Tracker], say: Callable[[str], None]) -> None:
        self.trackers, self.say = trackers, say
        self.refused: set[str] = set()
        """Trackers whose files could not be written the last time."""

    def __call__(self, step: int, values: dict[str, float]) -> None:
        self._each(lambda tracker: tracker(step, values))

    def close(self) -> None:
        self._each(lambda tracker: tracker.close())

    def _each(self, tell: Callable[[Tracker], None]) -> None:
        for name, tracker in list(self.trackers.items()):
            try:
                tell(tracker)
                self.refused.discard(name)
            except OSError as error:
                if not isinstance(tracker, TensorBoard):
                    self._drop(name, error)
                elif name not in self.refused:
                    self.refused.add(name)
                    self.say(f"{name} cannot write ({error.strerror or error}) and is tried again; training goes on")
            except Exception as error:
                self._drop(name, error)

    def _drop(self, name: str, error: Exception) -> None:
        del self.trackers[name]
        self.say(f"{name} failed ({error}) and is told no more; log.jsonl goes on")
