"""The counts of a fetch, for the progress line and the summary at the end."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from majolica.data.fetch import status
from majolica.data.fetch.plan import FetchPlan
from majolica.data.fetch.shard_files import stats_path
from majolica.data.store.catalogue import open_catalogue


@dataclass
class Totals:
    """Counts of one run, or of a whole folder."""

    rows: int = 0
    """Rows that are to be done in all."""
    done: int = 0
    bytes: int = 0
    """Bytes that were downloaded."""
    statuses: Counter[str] = field(default_factory=Counter)
    started: float = field(default_factory=time.monotonic)
    silent: int = 0
    """Pictures that are stored with an empty caption; this is known only at the end."""

    def add(self, word: str, size: int) -> None:
        """Count one row."""
        self.done += 1
        self.bytes += size
        self.statuses[word] += 1

    def add_shard(self, statistics: dict[str, Any]) -> None:
        """Count a finished shard by its statistics."""
        self.done += statistics["count"]
        self.bytes += statistics["bytes"]
        self.statuses.update(statistics["status_dict"])

    def forget_retried(self, statistics: dict[str, Any]) -> None:
        """Leave out the rows of a finished shard that a later generation has asked again."""
        again = {word: count for word, count in statistics["status_dict"].items() if status.may_pass(word)}
        self.done -= sum(again.values())
        self.statuses.subtract(again)
        self.statuses = +self.statuses

    def describe_pace(self) -> str:
        """Return one line: how fast it goes, with what success, and what fails most."""
        seconds = max(time.monotonic() - self.started, 1e-3)
        good = self.statuses[status.SUCCESS] / max(self.done, 1)
        worst = [f"{word} {count}" for word, count in self.statuses.most_common(4) if word != status.SUCCESS][:3]
        pace = f"{self.done / seconds:,.0f}/s, {good:.1%} good, {self.bytes / seconds / 1e6:.1f} MB/s"
        return f"{pace}; {', '.join(worst)}" if worst else pace


ReportTotals = Callable[[Totals], None]
"""Called with the counts of a fetch that goes on."""


def read_totals(folder: Path, plan: FetchPlan) -> Totals:
    """Return the counts of all finished shards of a folder. A row that was asked again counts once, by its last
    answer."""
    totals = Totals()
    last = plan.generations[-1]
    for shard in range(last.first + last.shards):
        path = stats_path(folder, plan.name(shard))
        if path.exists():
            statistics = json.loads(path.read_text())
            totals.add_shard(statistics)
            if shard < last.first:
                totals.forget_retried(statistics)
    totals.rows = totals.done
    if totals.statuses[status.SUCCESS]:
        totals.silent = sum(tar.empty for tar in open_catalogue(folder).tars)
    return totals
