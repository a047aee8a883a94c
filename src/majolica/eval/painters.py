"""Painting for evaluation: in parts, with progress, and by several processes where there are several cores."""

from __future__ import annotations

import multiprocessing
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from majolica.data.tasks import serve_parent
from majolica.errors import Notice, UserError
from majolica.eval.judge.judge import Judge
from majolica.eval.protocol import Pipeline
from majolica.machine import keep_freed_memory

T = TypeVar("T")
PART = 16
"""Most pictures that one process paints at once."""
FEW = 4
"""No part has fewer, but the last one of a call: pictures painted one by one take longer."""
JUDGE = 150
"""Pictures that could be painted while the judge is trained, about: its share of the progress."""
LOOK = 0.5
"""Seconds between two looks at what the processes have done."""


@dataclass
class Workload:
    """How much of an evaluation is done, counted in pictures of the base resolution."""

    total: float
    tell: Callable[[int, int], None]
    painted: float = 0.0
    judged: Callable[[], float] = field(default=lambda: 1.0)
    """Share of the judge's training that is done."""

    def show(self) -> None:
        """Tell how far it is."""
        whole = round(self.total) + JUDGE
        self.tell(min(whole, round(self.painted + JUDGE * self.judged())), whole)


class Workers:
    """Processes of one thread each: they do not wait for one another as the threads of one process do."""

    def __init__(self, pool: ProcessPoolExecutor, count: int, judged: Any) -> None:
        self._pool, self.count, self._judged = pool, count, judged

    def judged(self) -> float:
        """Share of the judge's training that is done."""
        return float(self._judged.value)

    def train_judge(self, threads: int, *of: Any) -> Future[tuple[bytes, float]]:
        """Begin to load or train the judge: its file, and the seconds that it took; `of` as for `load_or_train`."""
        return self._pool.submit(_train_judge, threads, of)

    def paint(self, parts: Sequence[tuple[Any, ...]]) -> list[Future[Any]]:
        """Begin to paint; each part holds the arguments of `Pipeline.paint`, the batch last."""
        return [self._pool.submit(_paint, part) for part in parts]

    def wait_for(self, futures: Sequence[Future[T]], look: Callable[[], None]) -> list[T]:
        """Their results, in order; `look` is called now and then meanwhile. UserError when a process was killed."""
        try:
            while wait(futures, timeout=LOOK).not_done:
                look()
            return [future.result() for future in futures]
        except BrokenProcessPool as error:
            raise UserError(
                "one of the processes that evaluate was killed, most likely for memory: try --processes 1"
            ) from error


@contextmanager
def open_workers(run: Path, count: int) -> Iterator[Workers | None]:
    """`count` processes that can paint with the run; None for one, or where the system allows none beside this."""
    context = multiprocessing.get_context("spawn")  # a fork would copy the locks of torch's threads
    try:
        judged = context.RawValue("d", 0.0)
        pool = ProcessPoolExecutor(count, context, _begin, (str(run), judged)) if count > 1 else None
    except OSError:  # no shared memory for the locks
        pool = None
    if pool is None:
        yield None
        return
    try:
        yield Workers(pool, count, judged)
    except BaseException:
        for process in list((pool._processes or {}).values()):
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


class Painters:
    """A pipeline for evaluators: it embeds by itself, and has its pictures painted by workers if there are any."""

    def __init__(self, pipeline: Pipeline, resolution: int, workers: Workers | None, tally: Workload) -> None:
        self.pipeline, self.resolution, self.workers, self.tally = pipeline, resolution, workers, tally

    def paint(
        self,
        prompts: Sequence[str],
        size: int | None = None,
        properties: dict[str, Any] | None = None,
        steps: int = 20,
        guidance: float = 3.0,
        seed: int | Sequence[int] = 0,
        solver: str = "heun",
        *,
        batch: int = 1,
    ) -> Tensor:
        """As `Pipeline.paint`, in parts; properties have one value for all pictures."""
        seeds = [seed] * len(prompts) if isinstance(seed, int) else list(seed)
        rows = cut(len(prompts), self.workers.count if self.workers else 1, batch)
        parts = [
            (list(prompts[part]), size, properties, steps, guidance, seeds[part], solver, part.stop - part.start)
            for part in rows
        ]
        unit = ((size or self.resolution) / self.resolution) ** 2
        if self.workers is None:
            return torch.cat([self._here(part, unit) for part in parts])
        futures = self.workers.paint(parts)
        for future in futures:
            future.add_done_callback(lambda _: self._count(unit * len(prompts) / len(parts)))
        return torch.cat([torch.from_numpy(images) for images in self.workers.wait_for(futures, self.tally.show)])

    def _here(self, part: tuple[Any, ...], unit: float) -> Tensor:
        *settings, batch = part
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Notice)  # the report says in its own place what is larger than trained
            images_B3HW = self.pipeline.paint(*settings, batch=batch).cpu()
        self._count(unit * len(images_B3HW))
        self.tally.show()
        return images_B3HW

    def _count(self, units: float) -> None:
        self.tally.painted += units

    def embed_images(self, images_B3HW: Tensor) -> Tensor:
        """As the pipeline's."""
        return self.pipeline.embed_images(images_B3HW)

    def embed_labels(self, labels: Sequence[str]) -> Tensor:
        """As the pipeline's."""
        return self.pipeline.embed_labels(labels)


def cut(count: int, workers: int, batch: int) -> list[slice]:
    """`count` pictures in parts of at most `batch` and `PART`, and small enough for all workers to have some."""
    size = min(batch, PART, max(FEW, -(-count // workers)))
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


@dataclass
class _Worker:
    """What one of the processes holds."""

    run: str
    judged: Any
    pipeline: Any = None


_this: list[_Worker] = []


def _begin(run: str, judged: Any) -> None:
    serve_parent()
    torch.set_num_threads(1)
    keep_freed_memory()
    warnings.simplefilter("ignore", Notice)  # as in `Painters`
    _this[:] = [_Worker(run, judged)]


def _paint(part: tuple[Any, ...]) -> Any:
    from majolica.sampling.pipeline import Pipeline as Trained

    worker = _this[0]
    if worker.pipeline is None:
        worker.pipeline = Trained.load(Path(worker.run))
    *settings, batch = part
    return worker.pipeline.paint(*settings, batch=batch).numpy()  # arrays travel without shared memory


def _train_judge(threads: int, of: tuple[Any, ...]) -> tuple[bytes, float]:
    judged = _this[0].judged

    def note(done: int, total: int) -> None:
        judged.value = done / total

    torch.set_num_threads(threads)
    start = time.perf_counter()
    folder, names, resolution, objects = of
    judge = Judge.load_or_train(Path(folder), names, resolution, objects=objects, progress=note)
    judged.value = 1.0
    torch.set_num_threads(1)
    return judge.to_bytes(), time.perf_counter() - start
