"""Batches on their way to the device, and how long training waited for them."""

from __future__ import annotations

import dataclasses
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import torch

from majolica.data.loading.loader import Batch, Loader
from majolica.device import to_device


class Feed:
    """The loader's batches on `device`: to a GPU from pinned memory, on a stream of their own, one ahead."""

    def __init__(self, loader: Loader, device: torch.device) -> None:
        self.loader, self.device = loader, device
        self.waited = 0.0
        """Seconds spent waiting for data since the last `reset`."""
        self._state = loader.state()
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="majolica-feed") if self._stream else None
        self._next: Future[tuple[Batch, dict[str, Any]]] | None = None

    def __next__(self) -> Batch:
        start = time.perf_counter()
        if self._thread is None:
            batch, self._state = self._fetch()
        else:
            pending = self._next or self._thread.submit(self._fetch)
            batch, self._state = pending.result()
            self._next = self._thread.submit(self._fetch)
            self._hold_until_read(batch)
        self.waited += time.perf_counter() - start
        return batch

    def reset(self) -> float:
        """Seconds waited since the last call."""
        waited, self.waited = self.waited, 0.0
        return waited

    def state(self) -> dict[str, Any]:
        """The loader's state after the last batch that was handed out."""
        return self._state

    def load(self, state: dict[str, Any]) -> list[str]:
        """Go on from a state; sentences on what the user should know, as `Loader.load`."""
        self._settle()
        notes = self.loader.load(state)
        self._state = self.loader.state()
        return notes

    def close(self) -> None:
        """Stop reading."""
        self._settle()
        if self._thread:
            self._thread.shutdown()
        self.loader.close()

    def _fetch(self) -> tuple[Batch, dict[str, Any]]:
        batch = next(self.loader)
        state = self.loader.state()
        if self._stream is None:
            return batch, state
        with torch.cuda.stream(self._stream):
            images = to_device(batch.images_B3HW, self.device)
            large = {scale: to_device(some, self.device) for scale, some in batch.large.items()}
        self._stream.synchronize()  # in this thread: the training thread does not wait
        return dataclasses.replace(batch, images_B3HW=images, large=large), state

    def _hold_until_read(self, batch: Batch) -> None:
        """Keep the allocator from handing the batch's memory out again while the step still reads it."""
        for images in (batch.images_B3HW, *batch.large.values()):
            images.record_stream(torch.cuda.current_stream(self.device))

    def _settle(self) -> None:
        if self._next:
            self._next.cancel() or self._next.exception()
            self._next = None
