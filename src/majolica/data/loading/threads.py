"""Threads that work ahead, helped by whoever waits for what they do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from majolica.machine import cores

T = TypeVar("T")


@dataclass(frozen=True)
class Task(Generic[T]):
    """Work, and the promise of a thread to do it: without threads there is none."""

    work: Callable[[], T]
    future: Future[T] | None


class Threads:
    """`count` threads; with 0, all work is done by who asks for its results."""

    def __init__(self, count: int, name: str) -> None:
        self._pool = ThreadPoolExecutor(count, thread_name_prefix=name) if count else None
        # More workers than cores would only take turns.
        self._helped = count < cores()

    def submit(self, work: Callable[[], T]) -> Task[T]:
        """Begin `work` as soon as a thread is free."""
        return Task(work, self._pool.submit(work) if self._pool else None)

    def results(self, tasks: Sequence[Task[T]]) -> list[T]:
        """What the tasks give, in their order. Where a core is left, the caller does what no thread has begun."""
        found: dict[int, T] = {}
        # From the end: what threads do last is what they have not begun; and one waking-up is cheaper than many.
        backwards = list(reversed(list(enumerate(tasks))))
        for i, task in backwards:
            if task.future is None or (self._helped and task.future.cancel()):
                found[i] = task.work()
        for i, task in backwards:
            if i not in found and task.future:
                found[i] = task.future.result()
        return [found[i] for i in range(len(tasks))]

    def close(self) -> None:
        """Stop; what has not begun is not done."""
        if self._pool:
            self._pool.shutdown(cancel_futures=True)


def drop(tasks: Sequence[Task[T]]) -> None:
    """Cancel what no thread has begun."""
    for task in tasks:
        if task.future:
            task.future.cancel()
