"""The funnel: how many rows each rule saw, took and left. It is written as funnel.json."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from majolica.config.io import to_dict
from majolica.data.filter import histogram
from majolica.data.filter.columns import CANONICAL
from majolica.data.filter.order import hash_order
from majolica.data.filter.rules import list_reasons
from majolica.data.filter.storage import InputFile
from majolica.data.filter.work import Job
from majolica.errors import UserError
from majolica.files import write_atomic

NAME = "funnel.json"


def make_funnel(
    job: Job,
    files: Sequence[InputFile],
    counts: Sequence[dict[str, Any]],
    kept: Sequence[int],
    written: Sequence[dict[str, Any]],
    warnings: Sequence[str],
) -> dict[str, Any]:
    """The content of funnel.json.

    `counts` are those of every task before the writing, `kept` the rows of each bucket before the
    budget, and `written` the counts of the tasks that write.
    """
    scanned = [part for part in counts if "rows" in part]
    rows = sum(part["rows"] for part in scanned)
    names = {name: number for part in written for name, number in part["files"].items()}
    gone = _count_dropped(job, counts)
    if job.config.sample.budget:
        gone[-1] = sum(kept) - sum(names.values())
    steps, left = [], rows
    for reason, number in zip(list_reasons(job.config), gone, strict=True):
        steps.append({"rule": reason.rule, "why": reason.why, "before": left, "gone": number, "after": left - number})
        left -= number
    if left != sum(names.values()):
        raise AssertionError(f"the funnel leaves {left:,} of the rows, and the files hold {sum(names.values()):,}")
    config = to_dict(job.config)
    for part, key in ((config, "engine"), (config["work"], "threads"), (config["work"], "memory_mb")):
        del part[key]  # so that a run on another machine has the same funnel
    return {
        "rows_in": rows,
        "rows_out": left,
        "steps": steps,
        "unusable_values": {
            column: sum(part["bad"][column] for part in scanned)
            for column in CANONICAL
            if any(part["bad"][column] for part in scanned)
        },
        "warnings": list(warnings),
        "histograms": merge_histograms(scanned, written),
        "files": names,
        "inputs": [{"path": file.path, "rows": file.rows, "version": file.version} for file in files],
        "hash": {
            "order": 'int.from_bytes(hashlib.md5(f"{seed}:{url}".encode()).digest(), "little")',
            "seed": job.config.sample.seed,
            "of https://example.org/": str(hash_order("https://example.org/", job.config.sample.seed)),
        },
        "config": config,
    }


def save_funnel(out: Path, found: dict[str, Any]) -> None:
    """Write funnel.json as a whole file."""
    write_atomic(out / NAME, json.dumps(found, indent=1) + "\n")


def load_funnel(out: Path) -> dict[str, Any]:
    """The funnel of a finished output; UserError where there is none."""
    try:
        found: dict[str, Any] = json.loads((out / NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{out} holds no {NAME}: filter into it again with --restart") from error
    return found


def _count_dropped(job: Job, counts: Sequence[dict[str, Any]]) -> list[int]:
    """The rows that went for each reason.

    Tasks of the first step list all reasons in order; later ones give the number of theirs.
    """
    total = [0] * len(list_reasons(job.config))
    for part in counts:
        found = part.get("reasons", {})
        for number, rows in enumerate(found) if isinstance(found, list) else found.items():
            total[int(number)] += rows
    return total


def merge_histograms(before: Sequence[dict[str, Any]], after: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What each histogram shows, and its counts of the rows that were read and of those that stay, over all tasks."""
    first = histogram.add(part["histograms"] for part in before)
    last = histogram.add(part["histograms"] for part in after)
    return {
        name: {
            "title": kind.title,
            "unit": kind.unit,
            "whole": kind.whole,
            "edges": kind.edges(),
            "log": kind.log,
            "before": first[name],
            "after": last[name],
        }
        for name, kind in histogram.HISTOGRAMS.items()
    }
