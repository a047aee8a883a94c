"""Threads that work ahead. Whoever waits for their results helps them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from majolica.machine import cores

T = TypeVar("T")


@dataclass(frozen=True)
class ReadTask(Generic[T]):
    """A piece of work, and the future of the thread that does it; without threads there is no future."""

    work: Callable[[], T]
    future: Future[T] | None


class Threads:
    """A pool of `count` threads. With 0, whoever asks for results does all the work."""

    def __init__(self, count: int, name: str) -> None:
        self._pool = ThreadPoolExecutor(count, thread_name_prefix=name) if count else None
        # Help from the caller is useful only while there are fewer threads than cores.
        self._helped = count < cores()

    def submit(self, work: Callable[[], T]) -> ReadTask[T]:
        """Let a thread do `work` as soon as one is free."""
        return ReadTask(work, self._pool.submit(work) if self._pool else None)

    def results(self, tasks: Sequence[ReadTask[T]]) -> list[T]:
        """Return the results of the tasks, in their order. If a core is free, the caller does what no thread has
        begun."""
        found: dict[int, T] = {}
        # It begins at the end, where the tasks are that no thread has begun, and so that it has to wait only once.
        backwards = list(reversed(list(enumerate(tasks))))
        for i, task in backwards:
            if task.future is None or (self._helped and task.future.cancel()):
                found[i] = task.work()
        for i, task in backwards:
            if i not in found and task.future:
                found[i] = task.future.result()
        return [found[i] for i in range(len(tasks))]

    def close(self) -> None:
        """Stop the threads. Tasks that have not begun are not done."""
        if self._pool:
            self._pool.shutdown(cancel_futures=True)


def cancel_tasks(tasks: Sequence[ReadTask[T]]) -> None:
    """Cancel the tasks that no thread has begun."""
    for task in tasks:
        if task.future:
            task.future.cancel()
