"""The event loop of one process. It downloads the rows of a few open shards over many connections, and decodes on
threads.
"""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yarl import URL

from majolica.config.fetch import FetchConfig, PictureConfig
from majolica.data.fetch.download import Body, Downloader, TimeLeft
from majolica.data.fetch.hosts import Hosts
from majolica.data.fetch.picture import make_picture, set_up_decoders, unpack
from majolica.data.fetch.plan import FetchPlan
from majolica.data.fetch.result import FetchResult
from majolica.data.fetch.rows import read_rows
from majolica.data.fetch.session import raise_file_limit
from majolica.data.fetch.shard import Shard
from majolica.data.fetch.status import EMPTY_CAPTION, Failure, worth_repeating
from majolica.data.fetch.totals import ReportTotals, Totals
from majolica.data.fetch.urls import first_url
from majolica.data.pictures.memory import MemoryBudget
from majolica.data.pictures.opening import WEB
from majolica.data.urls import host_of
from majolica.errors import UserError
from majolica.machine import cores


@dataclass(slots=True)
class _CrawlRow:
    """A row that is being fetched."""

    shard: Shard
    number: int
    url: URL
    left: TimeLeft
    all_done: asyncio.Event
    attempts: int = 0


def crawl(config: FetchConfig, plan: FetchPlan, shards: Sequence[int], report: ReportTotals) -> list[dict[str, Any]]:
    """Fetch and write `shards`, and return their statistics. `report` is called with the progress about twice a
    second."""
    try:
        return asyncio.run(_Crawl(config, plan, report).run(shards))
    except BaseExceptionGroup as group:  # the first failure stops the others, so it is the one to report
        raise _first(group) from None


class _Crawl:
    def __init__(self, config: FetchConfig, plan: FetchPlan, report: ReportTotals) -> None:
        self._config, self._plan, self._report_totals = config, plan, report
        self._picture = PictureConfig(**plan.picture)  # a command that only goes on need not repeat these settings
        self._folder = Path(config.out)
        self._totals = Totals()
        self._threads = ThreadPoolExecutor(config.threads or cores(), thread_name_prefix="majolica-decode")
        self._files = ThreadPoolExecutor(2, thread_name_prefix="majolica-files")
        self._most = int(config.web.max_megabytes * 1e6)
        self._memory = MemoryBudget(round(config.decode_gb * 1e9))

    async def run(self, shards: Sequence[int]) -> list[dict[str, Any]]:
        raise_file_limit(4 * self._config.web.connections + 1024)
        set_up_decoders(self._picture)
        for shard in shards:
            _, start, stop = self._plan.place(shard)
            self._totals.rows += stop - start
        self._hosts: Hosts[_CrawlRow] = Hosts(self._config.polite)
        self._free = asyncio.Semaphore(self._config.web.connections)
        numbers = iter(shards)
        try:
            async with Downloader(self._config, self._hosts) as self._downloader, asyncio.TaskGroup() as helpers:
                lasting = [helpers.create_task(self._serve()), helpers.create_task(self._report())]
                async with asyncio.TaskGroup() as feeders:
                    some = min(self._config.open_shards, len(shards))
                    tasks = [feeders.create_task(self._feed(numbers)) for _ in range(some)]
                for task in lasting:
                    task.cancel()
            self._report_totals(self._totals)
            return [statistics for task in tasks for statistics in task.result()]
        finally:
            self._threads.shutdown(cancel_futures=True)
            self._files.shutdown(cancel_futures=True)

    async def _feed(self, numbers: Iterator[int]) -> list[dict[str, Any]]:
        """Take one shard after the other from `numbers`: put its rows in the queue, wait for them, and write the
        shard."""
        loop = asyncio.get_running_loop()
        written = []
        for number in numbers:
            shard, rows = await loop.run_in_executor(self._files, self._open, number)
            try:
                for result in shard.results:
                    if result:
                        self._totals.add(result.status, 0)
                for row in rows:
                    self._hosts.put(host_of(row.url), row)
                if rows:
                    await rows[0].all_done.wait()
                del rows
                written.append(await loop.run_in_executor(self._files, shard.write, self._config.dedup))
            finally:
                shard.spool.close()
            self._hosts.forget()
        return written

    def _open(self, number: int) -> tuple[Shard, list[_CrawlRow]]:
        """Return a shard, and those of its rows whose URLs may be asked; the other rows have their results already."""
        generation, start, stop = self._plan.place(number)
        table = read_rows(generation.sources, start, stop, generation.columns)
        keys = [self._plan.key(number, row) for row in range(stop - start)]
        shard = Shard(self._folder, self._plan.name(number), keys, table)
        all_done = asyncio.Event()
        rows = []
        skip = self._plan.empty_captions == "skip"
        for row, (text, silent) in enumerate(zip(shard.urls, shard.silent, strict=True)):
            try:
                if skip and silent:
                    raise Failure(EMPTY_CAPTION)
                url = first_url(text, self._config.web)
            except Failure as failure:
                shard.put(row, FetchResult(failure.status, failure.reason))
            else:
                rows.append(_CrawlRow(shard, row, url, TimeLeft(self._config.web.deadline), all_done))
        return shard, rows

    async def _serve(self) -> None:
        """Start a row whenever a connection is free and a host may be asked."""
        async with asyncio.TaskGroup() as group:
            while True:
                await self._free.acquire()
                group.create_task(self._fetch(await self._hosts.next()))

    async def _fetch(self, row: _CrawlRow) -> None:
        """Make one attempt at a row. It ends with a result, or puts the row back for a later attempt."""
        row.attempts += 1
        try:
            async with AsyncExitStack() as held:
                body = await self._downloader.get(row.url, row.left, held)
                loop = asyncio.get_running_loop()
                result = await loop.run_in_executor(self._threads, self._keep, row.shard, body)
        except Failure as failure:
            pause = max(self._config.web.backoff * 2 ** (row.attempts - 1), failure.wait)
            again = worth_repeating(failure.status) and row.attempts <= self._config.web.retries
            if again and pause < row.left.seconds:
                row.left.seconds -= pause
                self._hosts.put(host_of(row.url), row, pause)
                return
            result = FetchResult(failure.status, failure.reason)
        finally:
            self._free.release()
        result.attempts, result.seconds = row.attempts, self._config.web.deadline - row.left.seconds
        row.shard.put(row.number, result)
        self._totals.add(result.status, result.bytes or 0)
        if not row.shard.left:
            row.all_done.set()

    def _keep(self, shard: Shard, body: Body) -> FetchResult:
        """Decode what a host sent and put the picture into the spool; this runs on a thread."""
        try:
            data = unpack(body.data, body.encoding, self._most)
            with self._memory.lease() as reserve:
                result = shard.store(make_picture(data, self._picture, WEB, reserve))
        except Failure as failure:
            result = FetchResult(failure.status, failure.reason)
        result.bytes, result.final_url = len(body.data), body.url
        return result

    async def _report(self) -> None:
        parent = multiprocessing.parent_process()
        while True:
            self._report_totals(self._totals)
            await asyncio.sleep(0.5)
            if parent is not None and not parent.is_alive():
                # Another run may have begun meanwhile, and two runs must not write the same shard.
                raise SystemExit("the process that this one works for is gone")


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first failure that has a reason.

    A thread that finds its files closed, because another thread failed, does not know the reason.
    """
    told, others = group.split(UserError)
    found = (told or others or group).exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found
