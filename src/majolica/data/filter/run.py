"""From a configuration to chosen rows and a funnel, each step once, on processes or on Ray."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from majolica.config.filter import FilterConfig, check_filter
from majolica.data.filter import duplicates, near, settle
from majolica.data.filter.database import check_hash
from majolica.data.filter.funnel import load_funnel, make_funnel, save_funnel
from majolica.data.filter.lists import identify_lists, make_lists
from majolica.data.filter.opt_outs import find_opt_outs, write_request_keys
from majolica.data.filter.page import render_funnel
from majolica.data.filter.plan import count_buckets, plan_stretches
from majolica.data.filter.scan import scan_stretch
from majolica.data.filter.storage import find_inputs
from majolica.data.filter.work import Job, begin_publishing, fingerprint, open_work, written_files
from majolica.data.filter.write import PARTS, plan_files, write_bucket
from majolica.data.tasks import run_tasks
from majolica.errors import UserError
from majolica.files import publish_file, write_atomic
from majolica.plurals import counted, plural

log = logging.getLogger(__name__)

T = TypeVar("T")
Counts = dict[str, Any]
ReportStep = Callable[[str, int, int], None]
"""Called with the name of the step, how many of its tasks are done, and how many there are."""


def filter_metadata(config: FilterConfig, out: Path, restart: bool = False, report: ReportStep | None = None) -> Counts:
    """Write the chosen rows to `out` as part-*.parquet, and funnel.json and funnel.html.

    Returns the funnel.

    A run that was killed goes on where it stopped, and comes to the same result. `restart` throws
    away what another run wrote to `out`. Raises UserError for bad input, for contradictions in the
    configuration, and where the disk refuses.
    """
    run = _Run(check_filter(config), report or (lambda step, done, total: None))
    check_hash()
    files = find_inputs(config.inputs, out, written_files(out))
    stretches, warnings = plan_stretches(config, files)
    if not stretches:
        raise UserError(f"{counted(len(files), 'input file')} {plural(len(files), 'holds', 'hold')} no rows")
    domain = config.rules.domain
    listed = identify_lists([*domain.blocked_files, *domain.opt_out_files])
    mark = fingerprint(config, [*([file.path, file.version] for file in files), *listed])
    job = Job(config, out.absolute(), count_buckets(config, files))
    if open_work(job, mark, restart):
        log.info("%s is finished already", out)
        return load_funnel(out)
    for warning in warnings[:10]:
        log.warning(warning)
    urls_opted_out = make_lists(job)
    counts = run.stage("reading", partial(scan_stretch, job), stretches)
    if urls_opted_out:
        run.stage("spellings of URLs", partial(write_request_keys, job), range(len(stretches)))
        run.stage("URLs opted out", partial(find_opt_outs, job), range(job.buckets))
    counts += run.stage("repeated URLs", partial(duplicates.drop_repeated_urls, job), range(job.buckets))
    kept, later = run.settle_buckets(job, [part["kept"] for part in counts[len(stretches) :]])
    rows = settle.cap_by_budget(kept, config.sample.budget)
    written = run.stage("writing", partial(write_bucket, job), plan_files(kept, rows, config.work.rows_per_file))
    found = make_funnel(job, files, counts + later, kept, written, warnings)
    return _finish(job, {"fingerprint": mark, **found})


class _Run:
    """The configuration, and the function that hears of the progress."""

    def __init__(self, config: FilterConfig, report: ReportStep) -> None:
        self.config, self.report = config, report

    def stage(self, name: str, function: Callable[[T], Counts], items: Sequence[T]) -> list[Counts]:
        """The counts of every task, in the order of `items`."""
        places = {repr(item): place for place, item in enumerate(items)}
        counts: list[Counts] = [{}] * len(items)
        self.report(name, 0, len(items))
        for done, (item, found) in enumerate(run_tasks(function, items, self.config.engine), 1):
            counts[places[repr(item)]] = found
            self.report(name, done, len(items))
        return counts

    def settle_buckets(self, job: Job, kept: list[int]) -> tuple[list[int], list[Counts]]:
        """The rows that each bucket keeps after pictures and caps, and the counts of the steps."""
        config, every = self.config, range(job.buckets)
        if not (config.dedup.picture or config.rules.domain.cap):
            return kept, []
        counts = self.stage("keys", partial(duplicates.write_keys, job), every)
        if config.dedup.picture:
            counts += self.stage("repeated pictures", partial(duplicates.drop_repeated_pictures, job), every)
        if config.dedup.distance:
            counts += self.near(job, sum(kept))
        if config.rules.domain.cap:
            self.stage("domains", partial(settle.count_sites, job), every)
            settle.count_earlier_excess(job)
        settled = self.stage("settling", partial(settle.settle_bucket, job), every)
        return [part["kept"] for part in settled], counts + settled

    def near(self, job: Job, rows: int) -> list[Counts]:
        number = len(near.choose_block_tables(self.config.dedup.distance, rows))
        tasks = [(table, bucket) for table in range(number) for bucket in range(job.buckets)]
        self.stage("near pictures, sorting", partial(near.sort_by_blocks, job, rows=rows), tasks)
        self.stage("near pictures, comparing", partial(near.find_near_pairs, job), tasks)
        return [near.drop_near_pictures(job, number)]


def _finish(job: Job, found: Counts) -> Counts:
    """Move the files to their place, and write the funnel last, which says that all is there."""
    try:
        begin_publishing(job, found["files"])
        for name in found["files"]:
            part = job.work / PARTS / name
            if part.exists():  # otherwise a run that was killed here has moved it
                publish_file(part, job.out / name)
    except OSError as error:
        raise UserError(f"cannot write {job.out}: {error.strerror or error}") from error
    write_atomic(job.out / "funnel.html", render_funnel(found))
    save_funnel(job.out, found)
    shutil.rmtree(job.work, ignore_errors=True)
    return found
