"""Running independent tasks in processes or on Ray. Results come as they are ready, and the task of a killed worker is
done again.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from majolica.config.engine import EngineConfig
from majolica.errors import UserError
from majolica.plurals import counted

log = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")

MOST_DEATHS = 3
"""How often workers may be killed, with no task finished in between, before the work is given up."""


def run_tasks(function: Callable[[T], R], items: Sequence[T], config: EngineConfig) -> Iterator[tuple[T, R]]:
    """Yield (item, function(item)) in the order in which the tasks end.

    `function` must be picklable and safe to repeat, because a task whose worker was killed runs again. Raises what a
    task raises, and UserError if workers are killed again and again.
    """
    if config.workers < 1:
        raise UserError(f"workers is {config.workers}: there must be at least 1")
    if config.engine == "ray":
        yield from _run_on_ray(function, items, config)
    elif config.workers == 1 or not _has_semaphores():
        yield from ((item, function(item)) for item in items)
    else:
        yield from _run_in_processes(function, items, config.workers)


def _has_semaphores() -> bool:
    """Return whether processes can talk to each other here; if they cannot, a warning says what to do."""
    try:
        multiprocessing.get_context("spawn").Lock()
    except (OSError, ImportError) as error:
        why = getattr(error, "strerror", None) or error
        log.warning(
            "this process works alone, which takes longer: processes share semaphores in /dev/shm, which refuses them"
            " (%s); mount it so that it can be written to",
            why,
        )
        return False
    return True


def _run_in_processes(function: Callable[[T], R], items: Sequence[T], workers: int) -> Iterator[tuple[T, R]]:
    left = dict(enumerate(items))
    deaths = 0
    while deaths < MOST_DEATHS:
        try:
            for number, result in _one_pool(function, left, workers):
                deaths = 0
                yield left.pop(number), result
            return
        except BrokenProcessPool:
            deaths += 1
            rest = counted(len(left), "task")
            log.warning("a worker was killed (%d of %d); still to do: %s", deaths, MOST_DEATHS, rest)
    raise UserError(
        f"workers were killed {MOST_DEATHS} times, most likely for memory: use fewer --workers; "
        "what is finished is kept, the same command goes on"
    )


def _one_pool(function: Callable[[T], R], tasks: dict[int, T], workers: int) -> Iterator[tuple[int, R]]:
    # Workers are spawned, because a fork would copy locks that threads hold. Only a few tasks are submitted at a time,
    # because there may be very many.
    waiting = iter(list(tasks.items()))
    running: dict[Future[R], int] = {}
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=serve_parent) as pool:
        try:
            while True:
                for number, item in waiting:
                    running[pool.submit(function, item)] = number
                    if len(running) >= 2 * workers:
                        break
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    yield running.pop(future), future.result()
        except Exception:
            raise  # the other workers finish what they have begun, because it is kept
        except BaseException:  # stopped early: a task may take hours and is safe to repeat
            for process in list((pool._processes or {}).values()):
                process.terminate()
            raise
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def serve_parent() -> None:
    """Make a worker process end when its parent ends, and ignore signals from the terminal.

    The parent handles these signals and ends its workers.
    """
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def follow() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)  # this is as if it were killed: what a task writes is whole or not there

    threading.Thread(target=follow, daemon=True).start()


def _run_on_ray(function: Callable[[T], R], items: Sequence[T], config: EngineConfig) -> Iterator[tuple[T, R]]:
    ray = _connect(config.ray_address)
    remote = ray.remote(max_retries=MOST_DEATHS)(_call)
    waiting = iter(items)
    running: dict[Any, T] = {}
    while True:
        for item in waiting:
            running[remote.remote(function, item)] = item
            if len(running) >= config.workers:
                break
        if not running:
            return
        for done in ray.wait(list(running))[0]:
            try:
                result = ray.get(done)
            except ray.exceptions.WorkerCrashedError as error:
                raise UserError(f"Ray workers were killed {MOST_DEATHS} times: {error}") from error
            except ray.exceptions.RayTaskError as error:
                if "No module named" in str(error.cause):
                    missing = str(error.cause).splitlines()[0].rpartition("No module named ")[2]
                    raise UserError(f"a Ray node has no module {missing}: install there what is here") from None
                raise error.cause from None
            yield running.pop(done), result


def _call(function: Callable[[T], R], item: T) -> R:
    return function(item)


def _connect(address: str) -> Any:
    try:
        import ray
    except ImportError as error:
        raise UserError("--engine ray needs Ray: pip install 'majolica[ray]'") from error
    if not ray.is_initialized():
        try:
            _knock(address)
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except (OSError, ValueError, RuntimeError) as error:
            raise UserError(
                f"no Ray cluster at {address!r}: start one with `ray start --head`, or give --ray-address"
            ) from error
    return ray


def _knock(address: str) -> None:
    """Raise OSError if nobody listens at host:port, because Ray itself would try for a quarter of an hour."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
