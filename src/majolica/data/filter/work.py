"""The work folder, which keeps the results of tasks. It belongs to one configuration and one set of inputs."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from majolica.config.filter import FilterConfig
from majolica.data.filter.database import first_line
from majolica.data.filter.order import within
from majolica.errors import UserError
from majolica.files import publish_file, write_atomic


@dataclass(frozen=True)
class Job:
    """What every task gets: it is small, and the same for all tasks."""

    config: FilterConfig
    out: Path
    buckets: int

    @property
    def work(self) -> Path:
        return self.out / ".work"

    def path(self, stage: str, number: int, kind: str = "parquet") -> Path:
        """Return the path of the result of task `number` of a stage."""
        return self.work / stage / f"{number:06d}.{kind}"

    def mine(self, bucket: int) -> str:
        """Return the condition that the URL of a row lies in a bucket."""
        return within("h", bucket, self.buckets, self.config.sample.share)

    def tables(self, stage: str) -> list[Path]:
        """Return the tables that a stage has written, in the order of their numbers."""
        return sorted((self.work / stage).glob("*.parquet"))


def once(job: Job, stage: str, number: int, task: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
    """Return the counts that `task(beside)` returns, or those in its record if it has been done before.

    The task writes its table, if it has one, to `beside`. The table is renamed before the record is written, so if
    there is a record, the table is whole.
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


def fingerprint(config: FilterConfig, versions: list[list[Any]]) -> str:
    """Return a hash of everything that decides what the tasks do, which engine, threads and memory do not."""
    decisive = asdict(config)
    del decisive["engine"]
    for key in ("threads", "memory_mb"):
        del decisive["work"][key]
    text = json.dumps([1, decisive, versions], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def open_work(job: Job, mark: str, restart: bool) -> bool:
    """Make the work folder, or go on with the one that is there. Return True if the output is finished already.

    Raises UserError if the folder belongs to another configuration or to other inputs, unless `restart` is given.
    """
    held = job.work / "fingerprint"
    try:
        if restart:
            shutil.rmtree(job.work, ignore_errors=True)
            for path in [*job.out.glob("part-*.parquet"), job.out / "funnel.json", job.out / "funnel.html"]:
                path.unlink(missing_ok=True)
        if (job.out / "funnel.json").exists():
            if json.loads((job.out / "funnel.json").read_text(encoding="utf-8")).get("fingerprint") == mark:
                shutil.rmtree(job.work, ignore_errors=True)  # it is there if a run was killed while it cleaned up
                return True
            raise UserError(f"{job.out} holds another filtered set: choose another --out, or --restart to replace it")
        other = held.exists() and held.read_text(encoding="utf-8") != mark
        if other and not any(job.work.glob("*/*.json")):  # nothing is lost
            shutil.rmtree(job.work)
        elif other:
            raise UserError(
                f"{job.work} was begun with another configuration or other inputs: choose another --out, or --restart"
            )
        if not held.exists():
            job.work.mkdir(parents=True, exist_ok=True)
            write_atomic(held, mark)
        shutil.rmtree(job.work / "spill", ignore_errors=True)
    except (OSError, ValueError) as error:
        raise UserError(f"cannot use {job.out}: {getattr(error, 'strerror', None) or first_line(error)}") from error
    return False
