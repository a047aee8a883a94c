"""Processes for an evaluation: all of them paint, and some of them train the judges first."""

from __future__ import annotations

import multiprocessing
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch

from majolica.data.tasks import serve_parent
from majolica.errors import Notice, UserError
from majolica.eval.halving import paint_in_halves
from majolica.eval.judge.judge import Judge
from majolica.eval.judge.panel import KINDS
from majolica.eval.judge.spec import JudgeSpec
from majolica.eval.user_properties import load_with_measures
from majolica.machine import cores, keep_freed_memory
from majolica.sampling.request import PaintRequest

T = TypeVar("T")
JUDGES = 1 + len(KINDS)
"""How many judges an evaluation has: one of features and two strict ones."""
LOOK = 0.5
"""Seconds between two displays of the progress."""


class Workers:
    """Processes of one thread each.

    Unlike the threads of one process, they do not have to wait for one another.
    """

    def __init__(self, pool: ProcessPoolExecutor, count: int, judge_shares: Any) -> None:
        self._pool, self.count, self._judge_shares = pool, count, judge_shares
        self._judges = 0

    def judge_share(self) -> float:
        """Return the share of the judges' training that is done, from 0 to 1."""
        return float(sum(self._judge_shares[: self._judges])) / max(1, self._judges)

    def train_judge(self, folder: Path, spec: JudgeSpec) -> Future[tuple[bytes, float]]:
        """Begin to load or train a judge, one of at most JUDGES, as `Judge.load_or_train` does.

        The result will be the content of its file, and the seconds that it took.
        """
        threads = 1 + max(0, cores() - self.count) // JUDGES  # more than one if there are idle cores
        self._judges += 1
        return self._pool.submit(_train_judge, folder, spec, threads, self._judges - 1)

    def paint(self, parts: Sequence[PaintRequest]) -> list[Future[Any]]:
        """Begin to paint each part; the results will be arrays `B3HW` of uint8."""
        return [self._pool.submit(_paint, part) for part in parts]

    def wait_for(self, futures: Sequence[Future[T]], look: Callable[[], None]) -> list[T]:
        """Return the results of `futures`, in order; meanwhile call `look` every `LOOK` seconds.

        Raises UserError if a process was killed.
        """
        try:
            while wait(futures, timeout=LOOK).not_done:
                look()
            return [future.result() for future in futures]
        except BrokenProcessPool as error:
            raise UserError(
                "one of the processes that evaluate was killed, most likely for memory: try --processes 1"
            ) from error


@contextmanager
def open_workers(run: Path, count: int, property_files: Sequence[Path] = ()) -> Iterator[Workers | None]:
    """Start `count` processes that can paint with the run (or checkpoint, or file of weights).

    They are stopped at the end of the context. `property_files` measure the user's own properties, to which pictures
    are projected while they are painted.

    Yields None if `count` is 1, or if the system cannot start further processes.
    """
    context = multiprocessing.get_context("spawn")  # a fork would copy the locks of torch's threads
    try:
        judge_shares = context.RawArray("d", JUDGES)
        begin = (str(run), tuple(property_files), judge_shares)
        pool = ProcessPoolExecutor(count, context, _begin, begin) if count > 1 else None
    except OSError:  # the system has no shared memory for the locks
        pool = None
    if pool is None:
        yield None
        return
    try:
        yield Workers(pool, count, judge_shares)
    except BaseException:
        for process in list((pool._processes or {}).values()):
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


@dataclass
class _Worker:
    """The state of one process."""

    run: str
    property_files: tuple[Path, ...]
    judge_shares: Any
    pipeline: Any = None


_this: list[_Worker] = []


def _begin(run: str, property_files: tuple[Path, ...], judge_shares: Any) -> None:
    serve_parent()
    torch.set_num_threads(1)
    keep_freed_memory()
    warnings.simplefilter("ignore", Notice)  # as in `Painters`
    _this[:] = [_Worker(run, property_files, judge_shares)]


def _paint(part: PaintRequest) -> Any:
    worker = _this[0]
    if worker.pipeline is None:
        worker.pipeline = load_with_measures(Path(worker.run), worker.property_files)
    return paint_in_halves(
        worker.pipeline.paint_request, part
    ).numpy()  # an array, unlike a tensor, is sent without shared memory


def _train_judge(folder: Path, spec: JudgeSpec, threads: int, index: int) -> tuple[bytes, float]:
    judge_shares = _this[0].judge_shares

    def note(done: int, total: int) -> None:
        judge_shares[index] = done / total

    torch.set_num_threads(threads)
    start = time.perf_counter()
    judge = Judge.load_or_train(folder, spec, note)
    judge_shares[index] = 1.0
    torch.set_num_threads(1)
    return judge.to_bytes(), time.perf_counter() - start
