"""The work folder: it keeps what is done, for one configuration and one set of inputs."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from majolica.config.filter import FilterConfig
from majolica.data.filter.database import ROW_GROUP, copy_to, open_database
from majolica.data.filter.order import range_sql
from majolica.data.store.tables import first_line
from majolica.errors import UserError
from majolica.files import publish_file, write_atomic
from majolica.plurals import counted, plural

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_PART = re.compile(r"part-\d+\.parquet")
_PUBLISHED = "published.json"


@dataclass(frozen=True)
class Job:
    """What every task is given. It is small, and the same for all."""

    config: FilterConfig
    out: Path
    buckets: int

    @property
    def work(self) -> Path:
        return self.out / ".work"

    def path(self, stage: str, number: int, kind: str = "parquet") -> Path:
        """Where task `number` of a stage leaves its result."""
        return self.work / stage / f"{number:06d}.{kind}"

    def mine(self, bucket: int) -> str:
        """SQL for the condition that a row's URL lies in a bucket."""
        return range_sql("h", bucket, self.buckets, self.config.sample.share)

    def tables(self, stage: str) -> list[Path]:
        """The tables that a stage has left, in the order of their numbers."""
        return sorted((self.work / stage).glob("*.parquet"))


def run_once(job: Job, stage: str, number: int, task: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
    """The counts that `task(beside)` returns, or those of its record if it was done before.

    The task writes its table, if it has one, to `beside`. The table is renamed before the record is
    written, so that a record means a whole table.
    """
    record, table = job.path(stage, number, "json"), job.path(stage, number)
    try:
        if record.exists():
            known: dict[str, Any] = json.loads(record.read_text(encoding="utf-8"))
            return known
        table.parent.mkdir(parents=True, exist_ok=True)
        beside = table.with_name(f".{table.name}.{os.getpid()}.tmp")
        counts = task(beside)
        if beside.exists():  # not every task writes a table
            publish_file(beside, table)
    except OSError as error:
        raise UserError(f"cannot write {table}: {error.strerror or error}") from error
    write_atomic(record, json.dumps(counts))
    return counts


def write_query(
    job: Job,
    stage: str,
    number: int,
    query: str,
    fault: str,
    row_group: int = ROW_GROUP,
    prepare: Callable[[DuckDBPyConnection], None] | None = None,
) -> dict[str, Any]:
    """Do the task that writes what a query answers as its table, and counts nothing; `run_once` says how.

    `prepare` makes the connection ready for the query. DuckDB's errors become UserErrors that begin with `fault`.
    """

    def task(beside: Path) -> dict[str, Any]:
        with open_database(job.config, job.work, fault) as connection:
            if prepare is not None:
                prepare(connection)
            connection.execute(f"COPY ({query}) {copy_to(beside, row_group)}")
        return {}

    return run_once(job, stage, number, task)


def fingerprint(config: FilterConfig, versions: list[list[Any]]) -> str:
    """A hash of all that decides what the tasks do.

    The engine, the threads and the memory do not.
    """
    decisive = asdict(config)
    del decisive["engine"]
    for key in ("threads", "memory_mb"):
        del decisive["work"][key]
    domain = config.rules.domain
    listed = bool(domain.blocked or domain.blocked_files or domain.opt_out_files)
    # Version 2 compares lists with URLs and hosts however they are written, and version 3 caps hosts so too. Where
    # there are no lists, or no cap, nothing is different.
    version = 3 if domain.cap else 2 if listed else 1
    text = json.dumps([version, decisive, versions], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def open_work(job: Job, mark: str, restart: bool) -> bool:
    """Make the work folder, or go on with one that is there; True where the output is finished.

    Raises UserError where the folder belongs to another configuration or other inputs, unless
    `restart`, and where it holds files that would be taken for the output and that no run wrote.
    """
    held = job.work / "fingerprint"
    try:
        if restart:
            _remove_output(job)
        if (job.out / "funnel.json").exists():
            if json.loads((job.out / "funnel.json").read_text(encoding="utf-8")).get("fingerprint") == mark:
                # A run that was killed while it cleaned up has left its work folder.
                shutil.rmtree(job.work, ignore_errors=True)
                return True
            raise UserError(f"{job.out} holds another filtered set: choose another --out, or --restart to replace it")
        other = held.exists() and held.read_text(encoding="utf-8") != mark
        if other and not any(job.work.glob("*/*.json")):  # no task was finished, so nothing is lost
            shutil.rmtree(job.work)
        elif other:
            raise UserError(
                f"{job.work} was begun with another configuration or other inputs: choose another --out, or --restart"
            )
        _refuse_strangers(job.out, written_files(job.out))
        if not held.exists():
            job.work.mkdir(parents=True, exist_ok=True)
            write_atomic(held, mark)
        shutil.rmtree(job.work / "spill", ignore_errors=True)
    except (OSError, ValueError) as error:
        raise UserError(f"cannot use {job.out}: {getattr(error, 'strerror', None) or first_line(error)}") from error
    return False


def written_files(out: Path) -> set[str]:
    """The names of the files in `out` that runs of the filter wrote.

    funnel.json lists them, or the record of a run that was killed while it moved them there.
    """
    names: set[str] = set()
    for record in (out / "funnel.json", out / ".work" / _PUBLISHED):
        try:
            found = json.loads(record.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        listed = found.get("files") if isinstance(found, dict) else None
        names.update(name for name in listed or () if _PART.fullmatch(name))
    return names


def begin_publishing(job: Job, files: Collection[str]) -> None:
    """Record which files the run is about to move to `out`; UserError where others have appeared there meanwhile."""
    record = job.work / _PUBLISHED
    if not record.exists():
        _refuse_strangers(job.out, ())
        write_atomic(record, json.dumps({"files": list(files)}))


def _remove_output(job: Job) -> None:
    """Remove what runs wrote to `out`, and nothing else. The lists of these files go last."""
    mine = written_files(job.out)
    _refuse_strangers(job.out, mine)
    for name in [*sorted(mine), "funnel.html", "funnel.json"]:
        (job.out / name).unlink(missing_ok=True)
    shutil.rmtree(job.work, ignore_errors=True)


def _refuse_strangers(out: Path, mine: Collection[str]) -> None:
    strange = sorted(path.name for path in out.glob("part-*.parquet") if path.name not in mine)
    if strange:
        more = f" and {counted(len(strange) - 1, 'other file')}" if strange[1:] else ""
        raise UserError(
            f"{out} holds {strange[0]}{more}, which {plural(len(strange), 'is', 'are')} not in the list of any run of"
            f" the filter (funnel.json): choose another --out, or move {plural(len(strange), 'it', 'them')} away"
        )
