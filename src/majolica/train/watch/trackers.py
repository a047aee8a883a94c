"""Passes the logged values to trackers: TensorBoard, Weights & Biases, trackio.

A failure of a tracker must not end a run.
"""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from majolica.config.run import RunConfig
from majolica.files import write_atomic
from majolica.run.checkpoint import TRACKED_AS

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

    wandb knows a run by its id, and trackio by its name; a resumed run keeps them.
    """

    def __init__(self, module: str, run: Path, config: RunConfig, first_step: int) -> None:
        import importlib

        self.module = importlib.import_module(module)
        own = find_own_name(run, known=first_step > 0 and (module != "wandb" or (run / "wandb").is_dir()))
        options: dict[str, Any] = {"name": own}
        if module == "wandb":
            options = {"name": run.resolve().name, "id": own, "dir": str(run)}
        self.module.init(project="majolica", config=dataclasses.asdict(config), resume="allow", **options)

    def __call__(self, step: int, values: dict[str, float]) -> None:
        self.module.log(values, step=step)

    def close(self) -> None:
        self.module.finish()


def find_own_name(run: Path, known: bool) -> str:
    """Return the name by which a service tells this run from others whose folder has the same name.

    It is made once, with a random end, and kept in the run folder. If there is none, and the service has `known` the
    run before, it is the bare name of the folder, under which earlier versions of Majolica told of their runs.
    """
    path = run / TRACKED_AS
    if not path.exists():
        folder = run.resolve().name
        write_atomic(path, folder if known else f"{folder}-{secrets.token_hex(4)}")
    return path.read_text("utf-8").strip()


def open_trackers(run: Path, config: RunConfig, first_step: int, say: Callable[[str], None]) -> Trackers:
    """Open the trackers of `config.train.trackers`; `say` gets a line for each that fails."""
    opened: dict[str, Tracker] = {}
    for name in config.train.trackers:
        try:
            is_hosted = name != "tensorboard"
            opened[name] = Hosted(name, run, config, first_step) if is_hosted else TensorBoard(run, config, first_step)
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
