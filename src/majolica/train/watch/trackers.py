"""Passes the logged values to trackers: TensorBoard, Weights & Biases, trackio.

A failure of a tracker must not end a run.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from majolica.config.run import RunConfig

ROOM = 1 << 16
"""Bytes that must be free on the disk before values are written to the event file."""


class Tracker(Protocol):
    """Records values by step."""

    def __call__(self, step: int, values: dict[str, float]) -> None: ...

    def close(self) -> None: ...


class TensorBoard:
    """Writes event files in RUN/tensorboard.

    After a failure, such as a full disk, the next step opens a new file.
    """

    def __init__(self, run: Path, config: RunConfig, first_step: int) -> None:
        self.folder = str(run / "tensorboard")
        self.board: Any = None
        self._open(first_step + 1)

    def __call__(self, step: int, values: dict[str, float]) -> None:
        self._check_room()
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

    def _check_room(self) -> None:
        """Raise OSError if the disk is full, which would end SummaryWriter's thread with a traceback."""
        probe = Path(self.folder, ".room")
        try:
            probe.write_bytes(bytes(ROOM))
        finally:
            probe.unlink(missing_ok=True)

    def _open(self, step: int) -> Any:
        from torch.utils.tensorboard.writer import SummaryWriter

        self.board = SummaryWriter(self.folder, purge_step=step)
        return self.board


class Hosted:
    """Passes values to wandb, or to trackio, which has the same interface.

    A resumed run keeps its name.
    """

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
    """Open the trackers of `config.train.trackers`; `say` gets a line for each that fails."""
    opened: dict[str, Tracker] = {}
    for name in config.train.trackers:
        try:
            opened[name] = TensorBoard(run, config, first_step) if name == "tensorboard" else Hosted(name, run, config)
        except Exception as error:
            hint = f": pip install 'majolica[{name}]'" if isinstance(error, ImportError) else ""
            say(f"{name} is not told about this run ({error}){hint}; log.jsonl is")
    return Trackers(opened, say)


class Trackers:
    """Passes values to several trackers.

    A tracker that fails is dropped. TensorBoard is kept and tried again if the disk was full.
    """

    def __init__(self, trackers: dict[str, Tracker], say: Callable[[str], None]) -> None:
        self.trackers, self.say = trackers, say
        self.refused: set[str] = set()
        """Names of the trackers whose last write the disk refused."""

    def __call__(self, step: int, values: dict[str, float]) -> None:
        self._call_each(lambda tracker: tracker(step, values))

    def close(self) -> None:
        self._call_each(lambda tracker: tracker.close())

    def _call_each(self, call: Callable[[Tracker], None]) -> None:
        for name, tracker in list(self.trackers.items()):
            try:
                call(tracker)
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
