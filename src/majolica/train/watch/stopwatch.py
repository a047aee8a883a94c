"""A stopwatch for work on the device; the host does not wait for the device to start or stop it."""

from __future__ import annotations

import time
from types import TracebackType

import torch


class Stopwatch:
    """Adds up the time of `with` blocks, by CUDA events on a GPU and by the host's clock on a CPU."""

    def __init__(self, device: torch.device) -> None:
        self.cuda = device.type == "cuda"
        self.seconds = 0.0
        self._events: list[tuple[torch.cuda.Event, torch.cuda.Event]] = []
        self._start = 0.0

    def __enter__(self) -> None:
        if self.cuda:
            pair = (torch.cuda.Event(True), torch.cuda.Event(True))  # type: ignore[no-untyped-call]
            pair[0].record()
            self._events.append(pair)
        else:
            self._start = time.perf_counter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.cuda:
            self._events[-1][1].record()
        else:
            self.seconds += time.perf_counter() - self._start

    def reset(self) -> float:
        """Return the seconds of the blocks since the last call.

        On a GPU this waits for the end of the last block.
        """
        if self._events:
            self._events[-1][1].synchronize()
            self.seconds += sum(start.elapsed_time(end) for start, end in self._events) / 1000
            self._events.clear()
        seconds, self.seconds = self.seconds, 0.0
        return seconds
