"""A whole fetch: the plan, the shards that are not done, retries, and duplicates; in processes here or on Ray."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from majolica.config.fetch import FetchConfig, check_fetch
from majolica.data.fetch.crawl import crawl
from majolica.data.fetch.dedup import drop_duplicates
from majolica.data.fetch.plan import FetchPlan, make_plan, unfinished_shards
from majolica.data.fetch.retry import add_retries
from majolica.data.fetch.shard_files import stats_path
from majolica.data.fetch.totals import ReportTotals, Totals, read_totals
from majolica.data.tasks import run_tasks
from majolica.errors import UserError
from majolica.files import sweep_unfinished
from majolica.lock import hold_folder
from majolica.plurals import counted, plural


@dataclass(frozen=True)
class ShardBlock:
    """Shards that one task fetches: more than one, so that the slow end of each overlaps with the next."""

    config: FetchConfig
    plan: FetchPlan
    shards: tuple[int, ...]


def fetch(
    config: FetchConfig,
    report: ReportTotals = lambda totals: None,
    say: Callable[[str], None] = lambda text: None,
    retry_failed: bool = False,
) -> Totals:
    """Fetch what `config` says, as far as it is not there yet, into shards in `config.out`; return the folder's counts.

    `report` is called with the progress about twice a second, and `say` with sentences on what happens. With
    `retry_failed`, rows that failed for a reason that may have passed are asked again, into further shards. Raises
    UserError.
    """
    check_fetch(config)
    if not config.out:
        raise UserError("say where to with --out DIR")
    folder = Path(config.out)
    with hold_folder(folder):
        plan = make_plan(config)
        sweep_unfinished(folder, "*")
        begun = len(plan.generations) > 1 and unfinished_shards(folder, plan)  # a retry that was stopped is continued
        _fetch_shards(config, plan, report, say)
        if retry_failed and not begun:
            more = add_retries(folder, plan)
            if more is plan:
                say("nothing to retry: no row failed for a reason that may have passed")
            plan = more
            _fetch_shards(config, plan, report, say)
        if config.dedup:
            drop_duplicates(folder, plan, say=say)
        return read_totals(folder, plan)


def _fetch_shards(config: FetchConfig, plan: FetchPlan, report: ReportTotals, say: Callable[[str], None]) -> None:
    folder = Path(config.out)
    last = plan.generations[-1]
    todo = unfinished_shards(folder, plan)
    done = last.first + last.shards - len(todo)
    if done:
        say(f"{done} of {counted(last.first + last.shards, 'shard')} {plural(done, 'is', 'are')} there already")
    if not todo:
        return
    if config.engine.engine == "local" and config.engine.workers == 1:
        crawl(config, plan, todo, report)
        return
    blocks = [ShardBlock(config, plan, tuple(part)) for part in _parts(todo, config)]
    with _watch_shards(folder, plan, todo, report):
        for _ in run_tasks(fetch_block, blocks, config.engine):
            pass


def fetch_block(block: ShardBlock) -> None:
    """Fetch the shards of one block that are not done; a block whose worker was killed begins where that one was."""
    folder = Path(block.config.out)
    todo = [shard for shard in block.shards if not stats_path(folder, block.plan.name(shard)).exists()]
    if todo:
        crawl(block.config, block.plan, todo, lambda totals: None)


def _parts(todo: Sequence[int], config: FetchConfig) -> Iterator[Sequence[int]]:
    """Shards for each task: enough tasks for every worker to have four, at most eight shards in one."""
    size = max(1, min(8, len(todo) // (4 * config.engine.workers)))
    for start in range(0, len(todo), size):
        yield todo[start : start + size]


@contextmanager
def _watch_shards(folder: Path, plan: FetchPlan, todo: Sequence[int], report: ReportTotals) -> Iterator[None]:
    """Report how it stands by the statistics that other processes leave in `folder`."""
    totals = Totals(rows=sum(stop - start for _, start, stop in map(plan.place, todo)))
    left = {shard: stats_path(folder, plan.name(shard)) for shard in todo}
    over = threading.Event()

    def look() -> None:
        for shard, path in list(left.items()):
            if path.exists():
                totals.add_shard(json.loads(path.read_text()))
                del left[shard]
        report(totals)

    def watch() -> None:
        while not over.wait(1.0):
            look()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        look()
